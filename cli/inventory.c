/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reads inventories. Tells the forms apart by the first character that is no blank.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "inventory.h"
#include "output.h"

#define BYTES_MAX ((size_t)256 << 20)
#define BYTE_ORDER_MARK "\xef\xbb\xbf"

static char *copy_text(const char *text)
{
	return text && *text ? strdup(text) : NULL;
}

static int add(struct inventory *inventory, const char *id, const char *private_address,
	const char *public_address)
{
	struct host *more = inventory->hosts;

	if (inventory->length == inventory->size) {
		inventory->size = inventory->size ? inventory->size * 2 : 256;
		more = reallocarray(more, inventory->size, sizeof(*more));
		if (!more) {
			inventory->size = inventory->length;
			return -ENOMEM;
		}
		inventory->hosts = more;
	}
	more[inventory->length++] =
		(struct host){ strdup(id), copy_text(private_address), copy_text(public_address) };
	return more[inventory->length - 1].id ? 0 : -ENOMEM;
}

/*
 * JSON.
 */
static const char *text_of(json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

/* What is gone, or does not run, runs no Neti either. */
static bool is_running(json_t *instance)
{
	const char *state = text_of(json_object_get(instance, "State"), "Name");

	return !state || strcmp(state, "running") == 0 || strcmp(state, "pending") == 0;
}

static int add_object(struct inventory *inventory, json_t *object)
{
	const char *id = text_of(object, "InstanceId");

	if (!id)
		id = text_of(object, "id");
	if (!id || !*id || !is_running(object))
		return 0;
	return add(inventory, id, text_of(object, "PrivateIpAddress"),
		text_of(object, "PublicIpAddress"));
}

static int add_json(struct inventory *inventory, json_t *json);

static int add_all(struct inventory *inventory, json_t *array)
{
	int result = 0;

	for (size_t i = 0; i < json_array_size(array) && result == 0; i++)
		result = add_json(inventory, json_array_get(array, i));
	return result;
}

/* An array may stand in an array: that is what aws --query makes of reservations. */
static int add_json(struct inventory *inventory, json_t *json)
{
	json_t *reservations = json_object_get(json, "Reservations");
	json_t *instances = json_object_get(json, "Instances");

	if (json_is_array(json))
		return add_all(inventory, json);
	if (json_is_string(json))
		return *json_string_value(json) ?
			       add(inventory, json_string_value(json), NULL, NULL) :
			       0;
	if (reservations)
		return add_all(inventory, reservations);
	if (instances)
		return add_all(inventory, instances);
	return add_object(inventory, json);
}

/* Of pages only the last has no token for the next one. */
static void warn_of_pages(json_t *json, const char *path)
{
	if (json_is_string(json_object_get(json, "NextToken")))
		say_error("%s: more hosts stand on the pages after this one (NextToken)", path);
}

/* One document after the other: pages that were written into one file. */
static int read_json(struct inventory *inventory, const char *text, size_t length, const char *path)
{
	json_t *json = NULL;
	int result = 0;

	while (result == 0 && length > strspn(text, " \t\r\n")) {
		json_error_t error;

		json_decref(json);
		json = json_loadb(text, length, JSON_DISABLE_EOF_CHECK, &error);
		if (!json) {
			say_error("%s:%d: %s", path, error.line, error.text);
			return -EINVAL;
		}
		result = add_json(inventory, json);
		text += error.position;
		length -= (size_t)error.position;
	}
	warn_of_pages(json, path);
	json_decref(json);
	return result;
}

/*
 * Lines.
 */
static int read_lines(struct inventory *inventory, char *text)
{
	int result = 0;
	char *line;

	while (result == 0 && (line = strsep(&text, "\r\n"))) {
		line += strspn(line, " \t");
		for (size_t n = strlen(line); n && isspace((unsigned char)line[n - 1]); n--)
			line[n - 1] = '\0';
		if (*line && *line != '#')
			result = add(inventory, line, NULL, NULL);
	}
	return result;
}

/* What another program prints (a pipe) is waited for, as on stdin; one that nobody writes to is
 * at its end at once. */
static int open_inventory(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat stat;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &stat) == 0 && (S_ISREG(stat.st_mode) || S_ISFIFO(stat.st_mode)) &&
		fcntl(fd, F_SETFL, 0) == 0)
		return fd;
	close(fd);
	return S_ISDIR(stat.st_mode) ? -EISDIR : -ENXIO;
}

static char *read_inventory(const char *path, size_t *ret_length)
{
	int fd = strcmp(path, "-") == 0 ? STDIN_FILENO : open_inventory(path);
	int result = fd < 0 ? fd : 0;
	char *text = NULL;

	if (result == 0)
		result = file_read_up_to(fd, BYTES_MAX, &text, ret_length);
	if (fd > STDIN_FILENO)
		close(fd);
	if (result < 0)
		say_error("cannot read the inventory %s: %s", path, file_why(result));
	return text;
}

/* A spreadsheet may write another encoding, which looks like hosts that nobody knows. */
static int check_text(const char *text, size_t length, const char *path)
{
	json_t *string = strlen(text) == length ? json_string(text) : NULL;

	json_decref(string);
	if (!string)
		say_error("the inventory %s is not text in UTF-8", path);
	return string ? 0 : -EINVAL;
}

static int read_text(struct inventory *inventory, char *text, size_t length, const char *path)
{
	int result = check_text(text, length, path);
	char *start = text;

	if (result < 0)
		return result;
	if (strncmp(start, BYTE_ORDER_MARK, strlen(BYTE_ORDER_MARK)) == 0)
		start += strlen(BYTE_ORDER_MARK);
	start += strspn(start, " \t\r\n");
	if (*start == '{' || *start == '[')
		return read_json(inventory, start, strlen(start), path);
	return read_lines(inventory, start);
}

static int compare_hosts(const void *a, const void *b)
{
	return strcmp(((const struct host *)a)->id, ((const struct host *)b)->id);
}

static void clear_host(struct host *host)
{
	free(host->id);
	free(host->private_address);
	free(host->public_address);
}

/* In order, and each once. */
static void sort_hosts(struct inventory *inventory)
{
	struct host *hosts = inventory->hosts;
	size_t n = 0;

	if (inventory->length)
		qsort(hosts, inventory->length, sizeof(*hosts), compare_hosts);
	for (size_t i = 0; i < inventory->length; i++) {
		if (n && strcmp(hosts[n - 1].id, hosts[i].id) == 0)
			clear_host(&hosts[i]);
		else
			hosts[n++] = hosts[i];
	}
	inventory->length = n;
}

int inventory_read(struct inventory *ret, const char *path)
{
	struct inventory inventory = { 0 };
	size_t length = 0;
	char *text = read_inventory(path, &length);
	int result;

	if (!text)
		return -1;
	result = read_text(&inventory, text, length, path);
	free(text);
	if (result == -ENOMEM)
		say_memory();
	if (result == 0 && inventory.length == 0) {
		say_error("the inventory %s names no host", path);
		result = -EINVAL;
	}
	if (result < 0) {
		inventory_clear(&inventory);
		return -1;
	}
	sort_hosts(&inventory);
	*ret = inventory;
	return 0;
}

void inventory_clear(struct inventory *inventory)
{
	for (size_t i = 0; i < inventory->length; i++)
		clear_host(&inventory->hosts[i]);
	free(inventory->hosts);
	*inventory = (struct inventory){ 0 };
}
