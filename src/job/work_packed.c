/* src/job/work_packed.c - tiles that become rows of the packed tensors of another program.
 *
 * Some layouts are turned round: the rows of a tile are columns there. So the tensors of an entry
 * are held whole until its last tile is in. Tiles are taken in order, so that no more entries are
 * on their way than there are workers.
 *
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include "job/work_packed.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/mem.h"
#include "job/checkpoint.h"

typedef struct image {
    void *plane[WHIT_MAX_PACKED]; /* NULL: not begun, or written */
    uint64_t bytes[WHIT_MAX_PACKED];
    unsigned count;
} image;

struct wh_images {
    pthread_mutex_t lock; /* of beginning one */
    size_t count;
    image *image; /* [count] */
};

wh_images *wh_images_make(const whit_plan *plan)
{
    wh_images *m = wh_calloc(1, sizeof *m);
    if (m) m->image = wh_calloc(plan->count, sizeof *m->image);
    if (!m || !m->image) {
        free(m);
        return NULL;
    }
    m->count = plan->count;
    pthread_mutex_init(&m->lock, NULL);
    return m;
}

static void drop(image *m)
{
    for (unsigned k = 0; k < WHIT_MAX_PACKED; k++) {
        free(m->plane[k]);
        m->plane[k] = NULL;
    }
    m->count = 0;
}

void wh_images_free(wh_images *m)
{
    if (!m) return;
    for (size_t i = 0; i < m->count; i++) drop(&m->image[i]);
    pthread_mutex_destroy(&m->lock);
    free(m->image);
    free(m);
}

/* The tensors, zeroed, with what is not made of rows. */
static whit_status begin(const wh_work *r, size_t i, image *m, whit_error *err)
{
    const whit_packing *packing = wh_checkpoint_packing(r->plan, i);
    const wh_nested *nested = &r->nested[i];
    const whit_packing_rest rest = { .absmax = nested->absmax,
                                     .offset = nested->offset,
                                     .act_scale = r->plan->entry[i].acts.scale };
    whit_plane planes[WHIT_MAX_PACKED];
    unsigned count;
    whit_status st = whit_packing_planes(packing, planes, &count, err);
    for (unsigned k = 0; k < count && st == WHIT_OK; k++) {
        m->bytes[k] = planes[k].bytes;
        m->plane[k] = wh_calloc(planes[k].bytes, 1);
        if (!m->plane[k])
            st = wh_fail(err, WHIT_ERR_NOMEM, "no memory for the tensors of a checkpoint");
    }
    if (st == WHIT_OK) st = whit_pack_rest(packing, &rest, m->plane, err);
    if (st == WHIT_OK)
        m->count = count;
    else
        drop(m);
    return st;
}

whit_status wh_work_pack(const wh_work *r, size_t i, const wh_rect *rect, const wh_worker *w,
                         whit_error *err)
{
    const whit_plan_entry *e = &r->plan->entry[i];
    image *m = &r->images->image[i];
    pthread_mutex_lock(&r->images->lock);
    whit_status st = m->count ? WHIT_OK : begin(r, i, m, err);
    pthread_mutex_unlock(&r->images->lock);
    if (st != WHIT_OK) return st;
    const uint8_t *zero = e->scheme.asym ? w->zero : NULL;
    const float *scale = w->scale;
    if (e->scheme.dq) {
        uint64_t rows, groups;
        whit_scheme_scales(&e->scheme, e->source->rows, e->source->cols, &rows, &groups);
        zero = r->nested[i].code + rect->r0 * groups;
        scale = NULL;
    }
    return whit_pack_rows(wh_checkpoint_packing(r->plan, i), rect->r0, (size_t)rect->rows, w->codes,
                          scale, zero, m->plane, err);
}

whit_status wh_work_packed_finish(const wh_work *r, size_t i, whit_error *err)
{
    const wh_target *t = &r->plan->target;
    image *m = &r->images->image[i];
    whit_status st = WHIT_OK;
    for (unsigned k = 0; k < m->count && st == WHIT_OK; k++) {
        const wh_spot spot = r->plan->spot[i][k];
        if (r->match) {
            st = wh_match_bytes(r->match, spot, 0, m->plane[k], (size_t)m->bytes[k], err);
            continue;
        }
        if (r->digests) wh_digests_add(r->digests, spot, 0, m->plane[k], (size_t)m->bytes[k]);
        st = wh_file_pwrite(
            wh_target_fd(t, r->set, spot.file), wh_target_name(t, r->set, spot.file),
            wh_layout_offset(&t->layout, spot), m->plane[k], (size_t)m->bytes[k], err);
    }
    drop(m);
    return st;
}
