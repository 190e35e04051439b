/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * neti.yml: bad text changes nothing and is told in one sentence; what was read can be copied.
 */
#include "../settings_dump.h"
#include "fuzz.h"
#include "settings/settings.h"

static void note(void *data, enum neti_log_level level, const char *text)
{
	(void)data, (void)level;
	PROMISE(is_sentence(text));
}

static const struct log notes = { .level = NETI_LOG_DEBUG, .write = note };

static void check_same(const struct settings *a, const struct settings *b)
{
	PROMISE(strcmp(settings_dump(a), settings_dump(b)) == 0);
}

static void check_copy(const struct settings *settings)
{
	struct error error = { 0 };
	struct settings *copy;
	char *registry;

	PROMISE(settings_copy(&copy, settings) == 0);
	check_same(settings, copy);
	if (settings_registry(copy, &registry, &error) == 0)
		free(registry);
	else
		PROMISE(is_sentence(error.text));
	settings_free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct settings *settings, *fresh;
	struct error error = { 0 };

	PROMISE(settings_new(&settings) == 0 && settings_new(&fresh) == 0);
	if (settings_parse(settings, "neti.yml", (const char *)data, size, &notes, &error) < 0) {
		PROMISE(is_sentence(error.text));
		check_same(settings, fresh);
	} else {
		check_copy(settings);
	}
	settings_free(settings);
	settings_free(fresh);
	return 0;
}
