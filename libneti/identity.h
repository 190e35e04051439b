/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NETI_IDENTITY_H
#define NETI_IDENTITY_H
/*
 * Who this host is, where the settings leave it open: machine-id, the source address of the
 * default route; and whether the overlay subnet is free on this host.
 */
#include "settings.h"

/* Fills id and private_ip where they are not set; network must be set. */
int identity_complete(struct settings *settings, struct error *error);
/* -EADDRINUSE when an address of this host other than loopback lies in the prefix. */
int identity_check_overlay(const struct prefix *overlay, struct error *error);

#endif
