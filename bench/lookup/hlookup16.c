//go:build ignore

/* hlookup16: keys of 16 bytes. See hlookup.h. */
#define KEYW 4
#include "hlookup.h"
