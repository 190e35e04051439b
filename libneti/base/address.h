/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_ADDRESS_H
#define NETI_ADDRESS_H
/*
 * Addresses and prefixes that carry their family. Text by inet_pton and inet_ntop.
 */
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#define ADDRESS_TEXT_MAX INET6_ADDRSTRLEN
#define PREFIX_TEXT_MAX (INET6_ADDRSTRLEN + 4)

struct address {
	uint8_t family;	   /* AF_INET, AF_INET6, or AF_UNSPEC: no address */
	uint8_t bytes[16]; /* network order, unused bytes zero */
};

struct prefix {
	struct address address; /* host bits zero */
	uint8_t length;
};

int address_parse(const char *text, struct address *ret); /* -EINVAL */
/* Writes the text and returns it; "" for no address. */
const char *address_format(const struct address *address, char text[ADDRESS_TEXT_MAX]);
int address_compare(const struct address *a, const struct address *b);
bool address_equal(const struct address *a, const struct address *b);
/* By address_compare(). */
void address_sort(struct address *list, size_t n);
/* Of the first that is not below it. */
size_t address_index(const struct address *address, const struct address *sorted, size_t n);
bool address_is_among(const struct address *address, const struct address *sorted, size_t n);
bool address_is_set(const struct address *address);
unsigned address_bits(const struct address *address); /* 32 or 128 */
/* False for the unspecified, loopback, multicast and broadcast addresses, and for none. */
bool address_is_unicast(const struct address *address);
/* The address as one big number, modulo n (n > 0). */
unsigned address_modulo(const struct address *address, unsigned n);
struct address address_from_ipv4(struct in_addr in);
struct in_addr address_to_ipv4(const struct address *address);

/* "10.0.0.0/8", or an address alone (its full length). 0, 1 when host bits were cleared,
 * -EINVAL. */
int prefix_parse(const char *text, struct prefix *ret);
const char *prefix_format(const struct prefix *prefix, char text[PREFIX_TEXT_MAX]);
int prefix_compare(const struct prefix *a, const struct prefix *b);
struct prefix prefix_of(const struct address *address, unsigned length);
bool prefix_contains(const struct prefix *prefix, const struct address *address);
bool prefix_overlaps(const struct prefix *a, const struct prefix *b);
/* Number of addresses, UINT64_MAX when it does not fit. */
uint64_t prefix_count(const struct prefix *prefix);
/* The n-th address of the prefix, and which one an address is (low 64 bits). */
struct address prefix_nth(const struct prefix *prefix, uint64_t n);
uint64_t prefix_index(const struct prefix *prefix, const struct address *address);

/* All zero: empty. */
struct prefix_list {
	struct prefix *items;
	size_t length, size;
};

int prefix_list_add(struct prefix_list *list, const struct prefix *prefix);    /* -ENOMEM */
int prefix_list_copy(struct prefix_list *ret, const struct prefix_list *list); /* -ENOMEM */
bool prefix_list_equal(const struct prefix_list *a, const struct prefix_list *b);
void prefix_list_clear(struct prefix_list *list);

#endif
