/* tests/block_decode.c - decodes blocks of GGUF for other programs.
 *
 *   block_decode TYPE < blocks > float32
 *
 * SPDX-License-Identifier: MIT */
#include <whit/block.h>

#include <stdio.h>

int main(int argc, char **argv)
{
    unsigned char block[256];
    float out[256];
    whit_error err = { WHIT_OK, "" };
    const whit_block type = argc == 2 ? whit_block_parse(argv[1]) : WHIT_BLOCK_NONE;
    const whit_block_info *info = whit_block_describe(type);
    if (!info || info->bytes > sizeof block) {
        fprintf(stderr, "usage: block_decode TYPE < blocks > float32\n");
        return 2;
    }
    while (fread(block, info->bytes, 1, stdin) == 1) {
        if (whit_block_decode(type, block, 1, out, &err) != WHIT_OK ||
            fwrite(out, sizeof *out, info->weights, stdout) != info->weights) {
            fprintf(stderr, "block_decode: %s\n", err.msg);
            return 1;
        }
    }
    return 0;
}
