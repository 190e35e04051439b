/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Writing answers, and what stands in them where something else belongs. Numbers are big endian; a
 * string or a buffer has its length before it, -1 for none.
 */
#include <arpa/inet.h>
#include <endian.h>
#include <limits.h>
#include <string.h>

#include "fake_writer.h"

/* --- what stands where something else belongs -------------------------------------------------- */

static const int32_t numbers[] = { 0, -1, 1, 77, INT_MAX, INT_MIN };
static const int64_t longs[] = { 0, -1, 1, INT64_MAX, INT64_MIN };
/* -1 and -4 are among what the client cannot bear: see tests/answers.c. */
static const int32_t xids[] = { 0, -2, -8, 77, INT_MAX, INT_MIN };
static const int32_t errors[] = { -1, -4, -5, -7, -8, -9, -13, -101, -102, -103, -108, -110, -111,
	-112, -113, -115, -116, -118, -119, -124, -1000, 1, 77, INT_MIN };
static const int32_t timeouts[] = { 0, -1, 1, 99, INT_MAX, INT_MIN, 3600001 };
/* How many more than there are, or how many. */
static const int32_t counts[] = { -1, 1, 2 };
static const int32_t counts_set[] = { 0, -1, INT_MIN, 1000, 1 << 20 };
static const int32_t frames[] = { 0, -1, INT_MIN, INT_MAX, 1 << 24, 5000000 };
static const int32_t kinds[] = { 0, 1, 14, 77, INT_MAX };

static const struct text {
	const char *bytes;
	int32_t size, told; /* told: the length that is written, when it is not that of the bytes */
} texts[] = {
	{ NULL, 0, -1 },
	{ NULL, 0, -2 },
	{ NULL, 0, INT_MIN },
	{ "", 0, 0 },
	{ "/", 1, 1 },
	{ "a/b", 3, 3 },
	{ "..", 2, 2 },
	{ "\x01\x1b[2J\n", 6, 6 },
	{ "\xff\xfe\xc3", 3, 3 },
	{ "00\0001", 4, 4 },
	{ "192.168.1.1|10.0.0.9||ec2|x", 27, 27 },
	{ "||||", 4, 4 },
	{ "{\"shards\":0}", 12, 12 },
	{ "{\"since\":-9223372036854775808,\"revision\":1e99}", 46, 46 },
	{ "255.255.255.255", 15, 15 },
	{ "%ZZ%", 4, 4 },
	{ NULL, 2000, 2000 },
	{ NULL, 60000, 60000 },
};
/* Longer than all the rest is too much for the client where a buffer stands. */
static const struct text beyond = { NULL, 0, 1 << 20 };
#define N(of) (sizeof(of) / sizeof((of)[0]))

static const struct {
	const char *name;
	size_t values;
} fields[FIELD_KINDS] = {
	[FIELD_FRAME] = { "the frame's length", N(frames) },
	[FIELD_CUT] = { "the end", 1 },
	[FIELD_XID] = { "the number", N(xids) },
	[FIELD_ZXID] = { "the transaction", N(longs) },
	[FIELD_ERROR] = { "the result", N(errors) },
	[FIELD_TIMEOUT] = { "the time-out", N(timeouts) },
	[FIELD_SESSION] = { "the session", N(longs) },
	[FIELD_INT] = { "a number", N(numbers) },
	[FIELD_LONG] = { "a long number", N(longs) },
	[FIELD_COUNT] = { "a count", N(counts) + N(counts_set) },
	[FIELD_NAME] = { "a name", N(texts) + 1 },
	[FIELD_PATH] = { "a path", N(texts) },
	[FIELD_DATA] = { "the data", N(texts) },
	[FIELD_KIND] = { "the kind of an operation", N(kinds) },
	[FIELD_DONE] = { "the end of the operations", 1 },
};

unsigned field_values(enum field kind)
{
	return (unsigned)fields[kind].values;
}

const char *field_name(enum field kind)
{
	return fields[kind].name;
}

/* --- writing ------------------------------------------------------------------------------------ */

/* The value that is wanted instead, or -1. */
static int instead(struct writer *writer, enum field kind)
{
	struct script *script = writer->script;
	unsigned field = writer->field++;

	if (!writer->counted || writer->answer >= FAKE_ANSWERS || field >= FAKE_FIELDS)
		return -1;
	script->told[writer->answer].fields[field] = kind;
	script->told[writer->answer].n = field + 1;
	for (size_t i = 0; i < script->n_mutations; i++)
		if (script->mutations[i].answer == writer->answer &&
			script->mutations[i].field == field) {
			script->n_made++;
			return (int)(script->mutations[i].value % fields[kind].values);
		}
	return -1;
}

void writer_put(struct writer *writer, const void *bytes, size_t size)
{
	if (writer->cut || writer->length + size > FAKE_FRAME)
		return;
	if (bytes)
		memcpy(writer->bytes + writer->length, bytes, size);
	else
		memset(writer->bytes + writer->length, 'x', size);
	writer->length += size;
}

void writer_put_int(struct writer *writer, enum field kind, int32_t number)
{
	static const int32_t *const values[FIELD_KINDS] = { [FIELD_XID] = xids,
		[FIELD_ERROR] = errors,
		[FIELD_TIMEOUT] = timeouts,
		[FIELD_INT] = numbers,
		[FIELD_KIND] = kinds };
	int value = instead(writer, kind);

	if (value >= 0 && kind == FIELD_COUNT)
		number = value < (int)N(counts) ? number + counts[value] :
						  counts_set[value - (int)N(counts)];
	else if (value >= 0)
		number = values[kind][value];
	number = (int32_t)htonl((uint32_t)number);
	writer_put(writer, &number, sizeof(number));
}

void writer_put_long(struct writer *writer, enum field kind, int64_t number)
{
	int value = instead(writer, kind);

	number = (int64_t)htobe64((uint64_t)(value >= 0 ? longs[value] : number));
	writer_put(writer, &number, sizeof(number));
}

void writer_put_bool(struct writer *writer, enum field kind, bool set)
{
	char byte = set;

	if (instead(writer, kind) >= 0)
		byte = 1;
	writer_put(writer, &byte, 1);
}

void writer_put_text(struct writer *writer, enum field kind, const char *bytes, size_t size)
{
	struct text text = { bytes, (int32_t)size, (int32_t)size };
	int value = instead(writer, kind);
	int32_t length;

	if (value >= 0)
		text = value < (int)N(texts) ? texts[value] : beyond;
	length = (int32_t)htonl((uint32_t)text.told);
	writer_put(writer, &length, sizeof(length));
	writer_put(writer, text.bytes, (size_t)text.size);
}

/* The answer may end here, if that is wanted. */
void writer_may_end(struct writer *writer)
{
	if (instead(writer, FIELD_CUT) >= 0)
		writer->cut = true;
}

void writer_begin(struct writer *writer, struct script *script, const char *name)
{
	writer->script = script;
	writer->field = 0;
	writer->length = 4;
	writer->cut = false;
	writer->counted = name && script->answers < FAKE_ANSWERS;
	writer->answer = script->answers;
	if (writer->counted)
		script->told[script->answers++].name = name;
}

void writer_end(struct writer *writer)
{
	int32_t length = (int32_t)(writer->length - 4);
	int value = instead(writer, FIELD_FRAME);

	if (value >= 0)
		length = frames[value];
	length = (int32_t)htonl((uint32_t)length);
	memcpy(writer->bytes, &length, sizeof(length));
}
