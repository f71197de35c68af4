//go:build ignore

/* hlookup8: keys of 8 bytes. See hlookup.h. */
#define KEYW 2
#include "hlookup.h"
