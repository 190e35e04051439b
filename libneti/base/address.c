/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Address and prefix arithmetic for both families, byte by byte.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "address.h"
#include "array.h"

int address_parse(const char *text, struct address *ret)
{
	struct address address = { 0 };

	address.family = strchr(text, ':') ? AF_INET6 : AF_INET;
	if (inet_pton(address.family, text, address.bytes) != 1)
		return -EINVAL;
	*ret = address;
	return 0;
}

const char *address_format(const struct address *address, char text[ADDRESS_TEXT_MAX])
{
	text[0] = '\0';
	if (address_is_set(address))
		inet_ntop(address->family, address->bytes, text, ADDRESS_TEXT_MAX);
	return text;
}

int address_compare(const struct address *a, const struct address *b)
{
	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	return memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

bool address_equal(const struct address *a, const struct address *b)
{
	return address_compare(a, b) == 0;
}

static int compare_addresses(const void *a, const void *b)
{
	return address_compare(a, b);
}

void address_sort(struct address *list, size_t n)
{
	if (n)
		qsort(list, n, sizeof(*list), compare_addresses);
}

size_t address_index(const struct address *address, const struct address *sorted, size_t n)
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (address_compare(&sorted[middle], address) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

bool address_is_among(const struct address *address, const struct address *sorted, size_t n)
{
	size_t i = address_index(address, sorted, n);

	return i < n && address_equal(&sorted[i], address);
}

bool address_is_set(const struct address *address)
{
	return address->family != AF_UNSPEC;
}

unsigned address_bits(const struct address *address)
{
	return address->family == AF_INET6 ? 128 : 32;
}

bool address_is_unicast(const struct address *address)
{
	static const struct address loopback6 = { .family = AF_INET6, .bytes = { [15] = 1 } };
	static const struct address any6 = { .family = AF_INET6 };

	if (address->family == AF_INET)
		return address->bytes[0] != 0 && address->bytes[0] != 127 &&
		       address->bytes[0] < 224;
	if (address->family == AF_INET6)
		return address->bytes[0] != 0xff && !address_equal(address, &loopback6) &&
		       !address_equal(address, &any6);
	return false;
}

unsigned address_modulo(const struct address *address, unsigned n)
{
	uint64_t rest = 0;

	for (unsigned i = 0; i < address_bits(address) / 8; i++)
		rest = (rest << 8 | address->bytes[i]) % n;
	return (unsigned)rest;
}

struct address address_from_ipv4(struct in_addr in)
{
	struct address address = { .family = AF_INET };

	memcpy(address.bytes, &in.s_addr, sizeof(in.s_addr));
	return address;
}

struct in_addr address_to_ipv4(const struct address *address)
{
	struct in_addr in;

	memcpy(&in.s_addr, address->bytes, sizeof(in.s_addr));
	return in;
}

struct prefix prefix_of(const struct address *address, unsigned length)
{
	struct prefix prefix = { .address = *address, .length = (uint8_t)length };
	unsigned byte = length / 8;

	if (byte < sizeof(prefix.address.bytes)) {
		prefix.address.bytes[byte] &= (uint8_t)(0xff00 >> (length % 8));
		memset(prefix.address.bytes + byte + 1, 0, sizeof(prefix.address.bytes) - byte - 1);
	}
	return prefix;
}

int prefix_parse(const char *text, struct prefix *ret)
{
	char copy[PREFIX_TEXT_MAX];
	struct address address;
	struct prefix prefix;
	unsigned long length;
	char *slash, *end;

	if (strlen(text) >= sizeof(copy))
		return -EINVAL;
	strcpy(copy, text);
	slash = strchr(copy, '/');
	if (slash)
		*slash = '\0';
	if (address_parse(copy, &address) < 0)
		return -EINVAL;
	length = address_bits(&address);
	if (slash) {
		if (slash[1] < '0' || slash[1] > '9')
			return -EINVAL;
		length = strtoul(slash + 1, &end, 10);
		if (*end || length > address_bits(&address))
			return -EINVAL;
	}
	prefix = prefix_of(&address, (unsigned)length);
	*ret = prefix;
	return !address_equal(&prefix.address, &address);
}

const char *prefix_format(const struct prefix *prefix, char text[PREFIX_TEXT_MAX])
{
	char address[ADDRESS_TEXT_MAX];

	snprintf(text, PREFIX_TEXT_MAX, "%s/%u", address_format(&prefix->address, address),
		prefix->length);
	return text;
}

int prefix_compare(const struct prefix *a, const struct prefix *b)
{
	int order = address_compare(&a->address, &b->address);

	return order ? order : (a->length > b->length) - (a->length < b->length);
}

bool prefix_contains(const struct prefix *prefix, const struct address *address)
{
	struct prefix other;

	if (prefix->address.family != address->family)
		return false;
	other = prefix_of(address, prefix->length);
	return address_equal(&prefix->address, &other.address);
}

bool prefix_overlaps(const struct prefix *a, const struct prefix *b)
{
	return a->length <= b->length ? prefix_contains(a, &b->address) :
					prefix_contains(b, &a->address);
}

uint64_t prefix_count(const struct prefix *prefix)
{
	unsigned bits = address_bits(&prefix->address) - prefix->length;

	return bits < 64 ? (uint64_t)1 << bits : UINT64_MAX;
}

struct address prefix_nth(const struct prefix *prefix, uint64_t n)
{
	struct address address = prefix->address;
	unsigned byte = address_bits(&address) / 8;

	for (; n && byte > 0; n >>= 8)
		address.bytes[--byte] |= (uint8_t)n;
	return address;
}

uint64_t prefix_index(const struct prefix *prefix, const struct address *address)
{
	unsigned bytes = address_bits(address) / 8, first = bytes > 8 ? bytes - 8 : 0;
	uint64_t index = 0;

	for (unsigned i = first; i < bytes; i++)
		index = index << 8 | (uint8_t)(address->bytes[i] ^ prefix->address.bytes[i]);
	return index;
}

int prefix_list_add(struct prefix_list *list, const struct prefix *prefix)
{
	if (ARRAY_RESERVE(list->items, list->size, list->length + 1) < 0)
		return -ENOMEM;
	list->items[list->length++] = *prefix;
	return 0;
}

int prefix_list_copy(struct prefix_list *ret, const struct prefix_list *list)
{
	struct prefix_list copy = { 0 };

	for (size_t i = 0; list && i < list->length; i++)
		if (prefix_list_add(&copy, &list->items[i]) < 0) {
			prefix_list_clear(&copy);
			return -ENOMEM;
		}
	*ret = copy;
	return 0;
}

bool prefix_list_equal(const struct prefix_list *a, const struct prefix_list *b)
{
	size_t i = 0;

	while (i < a->length && i < b->length && prefix_compare(&a->items[i], &b->items[i]) == 0)
		i++;
	return i == a->length && i == b->length;
}

void prefix_list_clear(struct prefix_list *list)
{
	free(list->items);
	*list = (struct prefix_list){ 0 };
}
