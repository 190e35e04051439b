/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_TESTS_FAKE_WRITER_H
#define NETI_TESTS_FAKE_WRITER_H
/*
 * The answers of the fake ZooKeeper server, field by field. Each field has a kind, which tells what may
 * stand there instead; a script says in which field of which answer it does.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum field {
	FIELD_FRAME, /* the length of the whole */
	FIELD_CUT,   /* no field: the answer ends here */
	FIELD_XID,
	FIELD_ZXID,
	FIELD_ERROR, /* in the header, of an operation */
	FIELD_TIMEOUT,
	FIELD_SESSION,
	FIELD_INT,
	FIELD_LONG,
	FIELD_COUNT, /* of a list */
	FIELD_NAME,  /* in a list */
	FIELD_PATH,  /* of what was made */
	FIELD_DATA,
	FIELD_KIND, /* of an operation's answer */
	FIELD_DONE, /* whether more operations follow */
	FIELD_KINDS
};

struct mutation {
	unsigned answer, field; /* counted from 0: answers since the beginning, fields in one */
	unsigned value;		/* below fake_values(kind) */
};

#define FAKE_ANSWERS 256
#define FAKE_FIELDS 40
#define FAKE_MUTATIONS 4
#define FAKE_FRAME (1 << 18)

struct script {
	struct mutation mutations[FAKE_MUTATIONS];
	size_t n_mutations, n_made;
	unsigned answers; /* so far */
	struct {
		const char *name;
		enum field fields[FAKE_FIELDS];
		size_t n;
	} told[FAKE_ANSWERS];
};

struct writer {
	struct script *script;
	unsigned answer, field;
	bool counted, cut;
	size_t length;
	char bytes[FAKE_FRAME];
};

unsigned field_values(enum field kind);
const char *field_name(enum field kind);

/* name NULL: not counted, and written as it should be. */
void writer_begin(struct writer *writer, struct script *script, const char *name);
void writer_end(struct writer *writer);
void writer_put(struct writer *writer, const void *bytes, size_t size); /* NULL: filled up */
void writer_put_int(struct writer *writer, enum field kind, int32_t number);
void writer_put_long(struct writer *writer, enum field kind, int64_t number);
void writer_put_bool(struct writer *writer, enum field kind, bool set);
void writer_put_text(struct writer *writer, enum field kind, const char *bytes, size_t size);
/* The answer may end here, if that is wanted. */
void writer_may_end(struct writer *writer);

#endif
