/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A line for each peer and path that differs. What is read is checked like the ruleset itself; what a
 * line says may be so already.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "ruleset_text.h"

/* --- writing ----------------------------------------------------------------------------- */

static void print_peers(struct buffer *text, char sign, const struct address *peers, size_t n)
{
	char address[ADDRESS_TEXT_MAX];

	for (size_t i = 0; i < n; i++)
		buffer_print(text, "%c peer %s\n", sign, address_format(&peers[i], address));
}

static void print_paths(struct buffer *text, char sign, const struct path *paths, size_t n)
{
	char overlay[ADDRESS_TEXT_MAX], target[ADDRESS_TEXT_MAX];

	for (size_t i = 0; i < n; i++)
		buffer_print(text, "%c path %s to %s\n", sign,
			address_format(&paths[i].overlay, overlay),
			address_format(&paths[i].target, target));
}

void ruleset_diff_print(const struct ruleset_diff *diff, struct buffer *text)
{
	print_peers(text, '-', diff->peers_removed, diff->n_peers_removed);
	print_peers(text, '+', diff->peers_added, diff->n_peers_added);
	print_paths(text, '-', diff->paths_removed, diff->n_paths_removed);
	print_paths(text, '+', diff->paths_added, diff->n_paths_added);
	print_paths(text, '~', diff->paths_changed, diff->n_paths_changed);
	if (diff->policy_changed)
		buffer_print(text, "~ policy\n");
}

size_t ruleset_diff_lines(const struct ruleset_diff *diff)
{
	return diff->n_peers_removed + diff->n_peers_added + diff->n_paths_removed +
	       diff->n_paths_added + diff->n_paths_changed + diff->policy_changed;
}

/* --- reading ----------------------------------------------------------------------------- */

static int change_peer(struct ruleset *ruleset, char sign, const struct address *peer)
{
	size_t i = address_index(peer, ruleset->peers, ruleset->n_peers);
	bool there = i < ruleset->n_peers && address_equal(&ruleset->peers[i], peer);

	if (peer->family != ruleset->overlay.address.family)
		return -EBADMSG;
	if (there == (sign == '+'))
		return 0;
	if (there)
		array_remove(ruleset->peers, sizeof(*peer), ruleset->n_peers--, i);
	else
		array_insert(ruleset->peers, sizeof(*peer), ruleset->n_peers++, i, peer);
	return 0;
}

static int change_path(struct ruleset *ruleset, char sign, const struct path *path)
{
	size_t i = ruleset_path_index(ruleset, &path->overlay);
	bool there =
		i < ruleset->n_paths && address_equal(&ruleset->paths[i].overlay, &path->overlay);

	if (!prefix_contains(&ruleset->overlay, &path->overlay) ||
		path->target.family != ruleset->overlay.address.family)
		return -EBADMSG;
	if (sign != '-' && !there)
		array_insert(ruleset->paths, sizeof(*path), ruleset->n_paths++, i, path);
	else if (sign != '-')
		ruleset->paths[i] = *path;
	else if (there)
		array_remove(ruleset->paths, sizeof(*path), ruleset->n_paths--, i);
	return 0;
}

static int read_line(struct ruleset *ruleset, const char *line)
{
	char first[ADDRESS_TEXT_MAX], second[ADDRESS_TEXT_MAX], sign;
	struct path path;
	int end = 0;

	if (sscanf(line, "%c peer %45s%n", &sign, first, &end) == 2 && line[end] == '\0' &&
		(sign == '+' || sign == '-') && address_parse(first, &path.overlay) == 0)
		return change_peer(ruleset, sign, &path.overlay);
	if (sscanf(line, "%c path %45s to %45s%n", &sign, first, second, &end) == 3 &&
		line[end] == '\0' && strchr("+-~", sign) &&
		address_parse(first, &path.overlay) == 0 &&
		address_parse(second, &path.target) == 0)
		return change_path(ruleset, sign, &path);
	return -EBADMSG;
}

static size_t count_lines(const char *text)
{
	size_t n = 1;

	for (; *text; text++)
		n += *text == '\n';
	return n;
}

int ruleset_read_changes(struct ruleset *ruleset, char *text)
{
	size_t n = count_lines(text);
	struct address *peers = reallocarray(ruleset->peers, ruleset->n_peers + n, sizeof(*peers));
	struct path *paths = reallocarray(ruleset->paths, ruleset->n_paths + n, sizeof(*paths));
	char *next, *line;
	int result = 0;

	ruleset->peers = peers ? peers : ruleset->peers;
	ruleset->paths = paths ? paths : ruleset->paths;
	if (!peers || !paths)
		return -ENOMEM;
	for (line = strtok_r(text, "\n", &next); line && result == 0;
		line = strtok_r(NULL, "\n", &next))
		result = read_line(ruleset, line);
	return result;
}
