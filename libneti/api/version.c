/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The release this library was built as.
 */
#include "config.h"

#include "neti/neti.h"

NETI_EXPORT const char *neti_version(void)
{
	return PACKAGE_VERSION;
}
