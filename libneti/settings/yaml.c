/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Text to a YAML document, and what libyaml says of bad text as one sentence. Does not
 * look at what the document means.
 */
#include <errno.h>
#include <string.h>

#include "yaml.h"

/* Settings need three levels. libyaml takes minutes for a line of 100,000 brackets. */
#define DEPTH_MAX 8

struct source {
	yaml_parser_t parser;
	const char *text;
	size_t size;
	const struct settings_at *at;
};

static int source_open(struct source *source)
{
	if (!yaml_parser_initialize(&source->parser))
		return error_memory(source->at->error);
	yaml_parser_set_encoding(&source->parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&source->parser, (const unsigned char *)source->text,
		source->size);
	return 0;
}

/* Trouble with bytes bears an offset, and no mark. */
static size_t line_of_offset(const struct source *source, size_t offset)
{
	size_t line = 1;

	for (size_t i = 0; i < offset && i < source->size; i++)
		line += source->text[i] == '\n';
	return line;
}

static bool tab_indents(const struct source *source, size_t line)
{
	size_t i = 0;

	for (; line > 1 && i < source->size; i++)
		line -= source->text[i] == '\n';
	while (i < source->size && source->text[i] == ' ')
		i++;
	return i < source->size && source->text[i] == '\t';
}

/* Where what is not closed began: libyaml sees the trouble where it stops, often at the
 * end. */
static int fail_syntax(const struct source *source, const struct settings_at *at)
{
	const yaml_parser_t *parser = &source->parser;
	size_t began = parser->context_mark.line + 1;

	/* As in [2001:db8::], where the last colon would make a mapping. */
	if (strstr(parser->problem, "unexpected ':'"))
		return settings_fail(at, -EINVAL,
			"not YAML: a text that ends in a colon needs quotes");
	if (!parser->context)
		return settings_fail(at, -EINVAL, "not YAML: %s", parser->problem);
	if (began == at->line)
		return settings_fail(at, -EINVAL, "not YAML: %s %s", parser->problem,
			parser->context);
	return settings_fail(at, -EINVAL, "not YAML: %s %s that begins on line %zu",
		parser->problem, parser->context, began);
}

static int fail_yaml(const struct source *source)
{
	const yaml_parser_t *parser = &source->parser;
	struct settings_at at = *source->at;
	size_t last = line_of_offset(source, source->size);

	/* Where libyaml's loader runs out of memory it does not always say so. */
	if (parser->error == YAML_MEMORY_ERROR || !parser->problem)
		return error_memory(at.error);
	if (parser->error == YAML_READER_ERROR) {
		at.line = line_of_offset(source, parser->problem_offset);
		return settings_fail(&at, -EILSEQ, "not plain UTF-8 text: %s", parser->problem);
	}
	/* The end of a text without a last newline is a line further to libyaml. */
	at.line = parser->problem_mark.line < last ? parser->problem_mark.line + 1 : last;
	if (tab_indents(source, at.line))
		return settings_fail(&at, -EINVAL, "a tab stands where YAML wants spaces");
	return fail_syntax(source, &at);
}

struct shape {
	unsigned documents, depth;
};

static int check_event(const struct source *source, const yaml_event_t *event, struct shape *shape)
{
	struct settings_at at = *source->at;

	at.line = event->start_mark.line + 1;
	shape->documents += event->type == YAML_DOCUMENT_START_EVENT;
	shape->depth +=
		event->type == YAML_SEQUENCE_START_EVENT || event->type == YAML_MAPPING_START_EVENT;
	shape->depth -=
		event->type == YAML_SEQUENCE_END_EVENT || event->type == YAML_MAPPING_END_EVENT;
	if (shape->documents > 1)
		return settings_fail(&at, -EINVAL, "a second document begins: only one is read");
	if (shape->depth > DEPTH_MAX)
		return settings_fail(&at, -EINVAL, "lists and mappings are nested too deep");
	return 0;
}

static int next_event(struct source *source, struct shape *shape, bool *ended)
{
	yaml_event_t event;
	int result;

	if (!yaml_parser_parse(&source->parser, &event))
		return fail_yaml(source);
	*ended = event.type == YAML_STREAM_END_EVENT;
	result = check_event(source, &event, shape);
	yaml_event_delete(&event);
	return result;
}

/* A first pass over the events alone: the document is built from text that is known to be
 * good. */
static int check_shape(struct source *source)
{
	struct shape shape = { 0 };
	bool ended = false;
	int result = source_open(source);

	if (result < 0)
		return result;
	while (result == 0 && !ended)
		result = next_event(source, &shape, &ended);
	yaml_parser_delete(&source->parser);
	return result;
}

int settings_yaml_load(yaml_document_t *ret, const char *text, size_t size,
	const struct settings_at *at)
{
	struct source source = { .text = text, .size = size, .at = at };
	int result = check_shape(&source);

	if (result == 0)
		result = source_open(&source);
	if (result < 0)
		return result;
	/* Aliases are resolved here, so that an unknown one is seen only now. */
	if (!yaml_parser_load(&source.parser, ret))
		result = fail_yaml(&source);
	yaml_parser_delete(&source.parser);
	return result;
}
