/*
 * disassembly.h - instructions as text, for people who compare code.
 */
#ifndef LKMFS_CLI_DISASSEMBLY_H
#define LKMFS_CLI_DISASSEMBLY_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/*
 * Decodes `size` bytes of x86_64 code at run-time address `address` from its start, and prints the instructions that
 * touch [from, to) (offsets into the code), one line each, `prefix` before each; at most `limit` lines.
 */
void disassemble(FILE *out, const char *prefix, const uint8_t *code, uint64_t size, uint64_t address, uint64_t from,
                 uint64_t to, unsigned limit);

#endif
