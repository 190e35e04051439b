/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_IDENTITY_H
#define NETI_IDENTITY_H
/*
 * Who this host is, where the settings leave it open: machine-id, the source address of
 * the default route.
 */
#include "settings.h"

/* Fills in what the settings leave open, and notes it as found. identity: host fills id and
 * private_ip, and network must be set; ec2 fills these, network and public_ip, and waits for
 * the metadata service, some seconds at the most. All of it or nothing. */
int identity_complete(struct settings *settings, struct error *error);
/* The same where the settings name the registry by network, and leave that open. */
int identity_for_registry(struct settings *settings, struct error *error);
/* The id in a machine-id(5) file. The caller frees. */
int identity_machine_id(const char *path, char **ret, struct error *error);
/* The address the kernel would send from on its default route; no packet leaves. */
int identity_source_address(struct address *ret, struct error *error);

#endif
