/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The answers of a metadata service, a line each, in the order in which they are asked for.
 */
#include "fuzz.h"
#include "settings/identity_ec2.c"

/* In two pieces, as a connection may give it. */
static int answer(struct ec2_ask *ask, char *text, size_t length, struct error *error)
{
	ask->length = 0;
	ask->text[0] = '\0';
	if (take(text, 1, length / 2, ask) != length / 2 ||
		take(text + length / 2, 1, length - length / 2, ask) != length - length / 2)
		return refuse_text(ask, error);
	return take_text(ask, error);
}

static void check_answer(const struct ec2_answer *answer)
{
	char text[ADDRESS_TEXT_MAX];

	PROMISE(is_sentence(answer->id));
	PROMISE(is_sentence(address_format(&answer->private_ip, text)));
	PROMISE(strcmp(answer->network, "vpc") == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct ec2_wanted wanted = { true, true, true, true };
	char *copy = malloc(size + 1), *rest = copy, *line;
	struct error error = { 0 };
	struct ec2_ask *ask;
	int result = 0;

	memcpy(copy, data, size);
	copy[size] = '\0';
	PROMISE(ec2_ask_new(&ask, &wanted, &error) == 0);
	while (result == 0 && ask->step < STEPS && (line = strsep(&rest, "\n"))) {
		size_t length = (size_t)((rest ? rest - 1 : copy + size) - line);

		result = answer(ask, line, length, &error);
		ask->step++;
	}
	if (result < 0)
		PROMISE(is_sentence(error.text));
	else if (ask->step == STEPS)
		check_answer(&ask->answer);
	ec2_ask_free(ask);
	free(copy);
	return 0;
}
