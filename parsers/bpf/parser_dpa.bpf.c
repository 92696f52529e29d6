// SPDX-License-Identifier: MIT OR Apache-2.0
/* The parsers, reading the packet by direct access. */
#include "access_direct.h"
#include "layers.h"
#include "programs.h"
