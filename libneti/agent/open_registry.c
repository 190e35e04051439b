/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Opens the registry that the settings name: address put together, credentials read.
 */
#include <stdlib.h>
#include <string.h>

#include "open_registry.h"

int open_registry(struct registry **ret, const struct settings *settings,
	const struct fleet_settings *initial, const struct registry_handler *handler,
	const struct log *log, struct error *error)
{
	struct registry_config config = {
		.session_timeout_ms = settings->session_timeout_ms,
		.log = log,
		.initial = initial,
		.exclude = settings->overlay_exclude,
		.n_exclude = settings->n_overlay_exclude,
	};
	char *uri = NULL, *credentials = NULL;
	int result = settings_registry(settings, &uri, error);

	if (result == 0)
		result = settings_credentials(settings, &credentials, error);
	config.uri = uri;
	config.credentials = credentials;
	if (result == 0)
		result = registry_open(ret, &config, handler, error);
	if (credentials)
		explicit_bzero(credentials, strlen(credentials));
	free(credentials);
	free(uri);
	return result;
}
