/* tests/pack_pairs.c - usage: pack_pairs FOLDER: a checkpoint for every pair of packing_pairs.h, in
 * folders 0, 1, .. of it, for judges that are no programs of ours (interop/hf_decode.py).
 *
 * SPDX-License-Identifier: MIT */
#define _XOPEN_SOURCE 700
#include "packing_pairs.h"

int main(int argc, char **argv)
{
    check_rng r = { 23 };
    if (argc != 2) return 2;
    for (size_t i = 0; i < sizeof exact / sizeof exact[0]; i++) {
        scratch s;
        matrix m = matrix_random(exact[i].scheme, exact[i].rows, exact[i].cols, &r);
        int n = snprintf(s.path, sizeof s.path, "%s/%zu", argv[1], i);
        if (n < 0 || (size_t)n >= sizeof s.path || mkdir(s.path, 0700) != 0) scratch_die(s.path);
        lift_zeros(&m, exact[i].layout);
        const whit_packing p = packing_of(&m, exact[i].layout);
        const whit_packing_rest rest = packing_rest_of(&m, &r);
        image im = image_new(&p);
        pack_in_parts(&p, &m, &im, &r);
        CHECK(whit_pack_rest(&p, &rest, im.data, NULL) == WHIT_OK, "%s", exact[i].scheme);
        write_checkpoint(&s, &p, &im);
        free((void *)(uintptr_t)rest.absmax);
        image_free(&im);
        matrix_free(&m);
    }
    return check_result();
}
