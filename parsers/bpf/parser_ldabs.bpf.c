// SPDX-License-Identifier: MIT OR Apache-2.0
/* The parsers, reading the packet by LD_ABS and LD_IND. */
#include "access_ld_abs.h"
#include "layers.h"
#include "programs.h"
