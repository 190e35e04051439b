/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A host keeps its addresses mostly, and says so cheaply: the kernel at once, the metadata
 * service in a few milliseconds over several turns. What cannot be found now stays as it is.
 */
#include <errno.h>

#include "refresh.h"
#include "settings/identity.h"

#define ASKING_MS 20

void refresh_init(struct refresh *refresh, int64_t now)
{
	*refresh = (struct refresh){ .due = now + REFRESH_MS };
}

void refresh_clear(struct refresh *refresh)
{
	refresh->ask = ec2_ask_free(refresh->ask);
}

static int ask_ec2(struct refresh *refresh, const struct settings *settings, struct ec2_answer *ret,
	struct error *error)
{
	const struct ec2_wanted wanted = {
		.private_ip = settings->found & SETTINGS_FOUND_PRIVATE,
		.public_ip = settings->found & SETTINGS_FOUND_PUBLIC,
	};
	int result = refresh->ask ? 0 : ec2_ask_new(&refresh->ask, &wanted, error);

	if (result == 0)
		result = ec2_ask_step(refresh->ask, ret, error);
	if (result != -EINPROGRESS)
		refresh->ask = ec2_ask_free(refresh->ask);
	return result;
}

static int take(const struct settings *settings, const struct ec2_answer *answer,
	struct settings **ret)
{
	struct address private_ip = settings->private_ip, public_ip = settings->public_ip;

	if (settings->found & SETTINGS_FOUND_PRIVATE && address_is_set(&answer->private_ip))
		private_ip = answer->private_ip;
	if (settings->found & SETTINGS_FOUND_PUBLIC)
		public_ip = answer->public_ip;
	if (address_equal(&private_ip, &settings->private_ip) &&
		address_equal(&public_ip, &settings->public_ip))
		return 0;
	if (settings_copy(ret, settings) < 0)
		return 0; /* the next time will do */
	(*ret)->private_ip = private_ip;
	(*ret)->public_ip = public_ip;
	return 1;
}

int refresh_turn(struct refresh *refresh, const struct settings *settings, int64_t now,
	const struct log *log, struct settings **ret)
{
	struct ec2_answer answer = { 0 };
	struct error error;
	int result;

	if (!(settings->found & (SETTINGS_FOUND_PRIVATE | SETTINGS_FOUND_PUBLIC))) {
		refresh_clear(refresh);
		refresh->due = -1;
		return 0;
	}
	if (refresh->due < 0)
		refresh->due = now + REFRESH_MS;
	if (now < refresh->due)
		return 0;
	if (settings->identity == IDENTITY_EC2)
		result = ask_ec2(refresh, settings, &answer, &error);
	else
		result = identity_source_address(&answer.private_ip, &error);
	refresh->due = now + (result == -EINPROGRESS ? ASKING_MS : REFRESH_MS);
	if (result == -EINPROGRESS)
		return 0;
	if (result < 0 && !refresh->failed)
		log_warning(log, "this host's addresses could not be looked up again, and stay: %s",
			error.text);
	refresh->failed = result < 0;
	return result < 0 ? 0 : take(settings, &answer, ret);
}
