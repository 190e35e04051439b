/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_ENTRY_H
#define NETI_ENTRY_H
/*
 * A live member as the registry holds it: the name of its node, the JSON in it, and the shard
 * it stands in. Pure. Names come from other machines: nothing in them is believed unchecked.
 */
#include "base/buffer.h"
#include "base/error.h"
#include "fleet/fleet_settings.h"
#include "fleet/member.h"

#define ENTRY_ID_TEXT_MAX (3 * NAME_ID_MAX + 1) /* percent-encoded, with the NUL */
#define ENTRY_NAME_MAX (3 * ADDRESS_TEXT_MAX + NAME_NETWORK_MAX + 5 + ENTRY_ID_TEXT_MAX)

/* The id as part of a path; it must have passed name_check_id(). */
const char *entry_encode_id(const char *id, char text[ENTRY_ID_TEXT_MAX]);
int entry_decode_id(const char *text, char id[NAME_ID_MAX + 1]); /* -EINVAL */
/* OVERLAY|PRIVATE|PUBLIC|NETWORK|ID. -EINVAL when a field could not be read back. */
int entry_format(const struct member *member, char name[ENTRY_NAME_MAX], struct error *error);
/* The one reading of a name; -EINVAL with a sentence that quotes it when it is not exactly what
 * entry_format() would write, or has no place in this shard of this fleet. */
int entry_parse(struct member **ret, const char *name, const struct fleet_settings *fleet,
	unsigned shard, struct error *error);

/* A shard is an overlay address modulo the number of shards; its name: hexadecimal, two digits or
 * more. */
const char *entry_shard_name(unsigned shard, char text[9]);

/* version, since and revision as JSON; held when there is something held. */
int entry_print_data(const struct member *member, struct buffer *json);
/* A copy of member with what the JSON says; what it does not say, or not in the right form,
 * stays unset: a name is enough to reach a member. member->since, when it is set, is the time of the
 * entry, and no member has been there for less long. */
int entry_with_data(struct member **ret, const struct member *member, const char *json,
	size_t size);

/*
 * The mark of another agent that wants the id of the entry's holder and is refused: a key of the
 * data, beside all that stands there already.
 */
#define ENTRY_HOST_MAX 64
struct entry_mark {
	char host[ENTRY_HOST_MAX + 1];
	struct address private_address;
	uint64_t number; /* another one for each mark */
};
int entry_mark_data(struct buffer *json, const char *before, size_t size,
	const struct entry_mark *mark);
bool entry_read_mark(struct entry_mark *ret, const char *json, size_t size);

#endif
