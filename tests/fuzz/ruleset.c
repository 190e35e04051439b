/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A ruleset in a state file: what is taken is written the same again, can be compared, and an
 * engine can say what it means.
 */
#include "engine/engine.h"
#include "fuzz.h"
#include "ruleset/ruleset_json.h"

static void check_again(const struct ruleset *ruleset)
{
	struct buffer once = { 0 }, twice = { 0 };
	struct ruleset_diff diff;
	struct ruleset *again;
	struct error error;

	PROMISE(ruleset_to_text(ruleset, &once) == 0);
	PROMISE(ruleset_from_text(&again, once.text, once.length, &error) == 0);
	PROMISE(ruleset_to_text(again, &twice) == 0);
	PROMISE(strcmp(once.text, twice.text) == 0);
	PROMISE(ruleset_diff(&diff, ruleset, again) == 0 && ruleset_diff_empty(&diff));
	ruleset_diff_clear(&diff);
	ruleset_free(again);
	buffer_clear(&once);
	buffer_clear(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct error error = { 0 };
	struct buffer text = { 0 };
	struct ruleset *ruleset;

	if (ruleset_from_text(&ruleset, (const char *)data, size, &error) < 0) {
		PROMISE(is_sentence(error.text));
		return 0;
	}
	check_again(ruleset);
	PROMISE(engine_render("iptables", ruleset, &text) == 0);
	buffer_clear(&text);
	ruleset_free(ruleset);
	return 0;
}
