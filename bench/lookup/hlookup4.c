//go:build ignore

/* hlookup4: keys of 4 bytes. See hlookup.h. */
#define KEYW 1
#include "hlookup.h"
