/* src/job/convert.c - dequantize: a plain safetensors file with every quantized tensor decoded.
 *
 * The same stream of tiles as run.c: read (decoded), convert, write by position.
 *
 * SPDX-License-Identifier: MIT */
#include <whit/job.h>

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/thread.h"
#include "io/io.h"
#include "job/plan.h"
#include "job/report.h"
#include "job/stored.h"
#include "job/stream.h"

typedef struct decode_job {
    const whit_source *source;
    whit_dtype dtype;
    wh_target target;
    wh_spot *spot; /* [count] */
    wh_numbering tiles;
    wh_stream stream;
    wh_outset *set;
} decode_job;

static int decodes(const whit_source_tensor *t)
{
    return whit_scheme_is_quantized(&t->scheme);
}

static whit_status place(decode_job *j, size_t i, whit_error *err)
{
    const whit_source_tensor *t = whit_source_at(j->source, i);
    whit_dtype type = decodes(t) ? j->dtype : t->stored;
    uint64_t bytes = t->tensor.bytes;
    whit_status st = wh_stored_decodes(j->source, i, err);
    if (st != WHIT_OK) return st;
    if (decodes(t) && !wh_mul_u64(t->tensor.elements, whit_dtype_bits(type) / 8, &bytes))
        return wh_fail(err, WHIT_ERR_UNSUPPORTED, "%s: too large", t->tensor.name);
    j->tiles.tiling[i] =
        decodes(t) ? wh_tiling_make(t->rows, t->cols, 1) : wh_tiling_make(1, bytes, 1);
    wh_out_entry e = wh_target_entry(&t->tensor, type, bytes);
    return wh_layout_add(&j->target.layout, wh_target_file(&j->target, t->tensor.shard), &e, "",
                         &j->spot[i], err);
}

static whit_status lay_out(decode_job *j, const char *output, whit_error *err)
{
    const whit_file *file = whit_source_file(j->source);
    size_t count = whit_source_count(j->source);
    wh_lines warnings = { .limit = 1 };
    whit_status st =
        wh_target_init(&j->target, output, WHIT_FORMAT_NATIVE, j->source, &warnings, err);
    wh_lines_free(&warnings);
    j->spot = wh_calloc(count, sizeof *j->spot);
    if (st == WHIT_OK && (!j->spot || !wh_numbering_init(&j->tiles, count)))
        st = wh_fail(err, WHIT_ERR_NOMEM, "no memory for the layout of the output");
    for (size_t i = 0; i < count && st == WHIT_OK; i++) st = place(j, i, err);
    for (size_t f = 0; f < j->target.layout.count && st == WHIT_OK; f++)
        st = wh_layout_meta(&j->target.layout, f, "format", "pt", err);
    for (size_t k = 0; k < whit_file_shards(file) && st == WHIT_OK; k++)
        st = wh_layout_carry(&j->target.layout, wh_target_file(&j->target, (uint32_t)k), file, k,
                             err);
    if (st == WHIT_OK) st = wh_layout_finish(&j->target.layout, err);
    if (st == WHIT_OK) wh_numbering_finish(&j->tiles);
    return st;
}

static whit_status write_at(const decode_job *j, size_t i, uint64_t offset, const void *data,
                            size_t len, whit_error *err)
{
    const wh_target *t = &j->target;
    wh_spot spot = j->spot[i];
    return wh_file_pwrite(wh_target_fd(t, j->set, spot.file), wh_target_name(t, j->set, spot.file),
                          wh_layout_offset(&t->layout, spot) + offset, data, len, err);
}

static whit_status tile_work(void *ctx, unsigned worker, uint64_t tile, whit_error *err)
{
    decode_job *j = ctx;
    wh_rect r;
    size_t i = wh_numbering_find(&j->tiles, tile, &r);
    const whit_source_tensor *t = whit_source_at(j->source, i);
    wh_worker *w = &j->stream.workers[worker];
    if (!decodes(t)) {
        whit_status st = whit_file_read(whit_source_file(j->source), t->planes[0], r.c0,
                                        (size_t)r.cols, w->w, err);
        return st == WHIT_OK ? write_at(j, i, r.c0, w->w, (size_t)r.cols, err) : st;
    }
    size_t n = (size_t)(r.rows * r.cols), size = whit_dtype_bits(j->dtype) / 8;
    whit_status st = whit_source_read_f32(j->source, i, r.r0, r.rows, r.c0, r.cols, w->w, err);
    if (st != WHIT_OK) return st;
    const wh_cvt_ops *cvt = whit_source_file(j->source)->cvt;
    wh_cvt_from_f32(cvt, j->dtype, w->w, n, w->out);
    wh_cvt_to_f32(cvt, j->dtype, w->out, n, w->scratch);
    whit_quant_stats ignored = { 0 };
    st = wh_convert_measure(w->w, w->scratch, n, &r, "--dtype f32", "inspect --check", &ignored,
                            err);
    if (st != WHIT_OK) {
        wh_prefix(err, st, t->tensor.name);
        return wh_prefix(err, st, whit_file_path(whit_source_file(j->source)));
    }
    return write_at(j, i, (r.r0 * t->cols + r.c0) * size, w->out, n * size, err);
}

static whit_status tile_commit(void *ctx, unsigned worker, uint64_t tile, whit_error *err)
{
    decode_job *j = ctx;
    wh_rect r;
    size_t i = wh_numbering_find(&j->tiles, tile, &r);
    const whit_source_tensor *t = whit_source_at(j->source, i);
    (void)worker;
    return wh_meter_step(&j->stream.meter, t->tensor.name,
                         wh_numbering_share(&j->tiles, i, tile, t->tensor.bytes), err);
}

static whit_status stream(decode_job *j, const whit_job_options *options, whit_error *err)
{
    uint64_t tables = (uint64_t)j->tiles.count * 1024 + ((uint64_t)8 << 20);
    whit_status st = wh_stream_open(&j->stream, options, &j->tiles, tables, err);
    for (size_t i = 0; i < j->tiles.count; i++)
        j->stream.meter.total += whit_source_at(j->source, i)->tensor.bytes;
    if (st == WHIT_OK) st = wh_target_open(&j->target, j->source, options, &j->set, err);
    if (st == WHIT_OK)
        st = wh_for_ordered(j->stream.threads, j->tiles.first[j->tiles.count], tile_work,
                            tile_commit, j, err);
    if (st == WHIT_OK) st = wh_target_finish(&j->target, j->source, j->set, err);
    wh_outset_close(j->set);
    wh_stream_close(&j->stream);
    return st;
}

whit_status whit_dequantize_model(const whit_source *source, const char *output, whit_dtype dtype,
                                  const whit_job_options *options, whit_error *err)
{
    if (!source || !output || !options || options->struct_size != sizeof *options)
        return wh_fail(err, WHIT_ERR_ARG, "whit_dequantize_model: argument missing");
    size_t len = strlen(output);
    if (len < 12 || strcmp(output + len - 12, ".safetensors") != 0)
        return wh_fail(err, WHIT_ERR_ARG,
                       "dequantize writes one file; try: a name in .safetensors");
    if (dtype != WHIT_F32 && dtype != WHIT_F16 && dtype != WHIT_BF16)
        return wh_fail(err, WHIT_ERR_ARG, "dequantize writes F32, F16 or BF16");
    decode_job j = { .source = source, .dtype = dtype };
    whit_status st = lay_out(&j, output, err);
    if (st == WHIT_OK) st = stream(&j, options, err);
    wh_target_free(&j.target);
    wh_numbering_free(&j.tiles);
    free(j.spot);
    return st;
}
