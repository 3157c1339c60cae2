/* src/model/model.c - opening a model, and what it tells about itself.
 *
 * Not here: its tensors (weights.c), running it (session.c, forward.c).
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "model/runner.h"

void whit_model_options_init(whit_model_options *options)
{
    *options = (whit_model_options){ .struct_size = sizeof *options, .acts = WHIT_ACTS_F32 };
}

void wh_model_tell(whit_model *m)
{
    const wh_model_config *c = &m->config;
    whit_model_info *i = &m->info;
    i->path = m->path;
    i->architecture = wh_arch_name(c->arch);
    i->name = c->name;
    i->width = c->dim;
    i->layers = c->layers;
    i->heads = c->heads;
    i->kv_heads = c->kv_heads;
    i->head_width = c->head_dim;
    i->ffn_width = c->ffn;
    i->vocabulary = c->vocab;
    i->context = c->context;
    i->window = c->window;
    i->window_layer = c->window_first;
    i->bos = c->bos;
    i->eos = c->eos;
    i->eos_count = c->eos_count;
    i->threads = whit_context_threads(m->context);
}

static whit_status note_warnings(whit_model *m, whit_error *err)
{
    const whit_file *file = whit_source_file(m->source);
    for (size_t i = 0; i < whit_file_warnings(file); i++)
        wh_lines_add(&m->warnings, "%s", whit_file_warning(file, i));
    if (m->warnings.failed) return wh_fail(err, WHIT_ERR_NOMEM, "no memory for warnings");
    return WHIT_OK;
}

static whit_status open_all(whit_model *m, unsigned threads, whit_error *err)
{
    const whit_context_options co = { sizeof co, threads, -1 };
    whit_status st = whit_source_open(&m->source, m->path, err);
    if (st == WHIT_OK) st = wh_config_of_file(&m->config, whit_source_file(m->source), err);
    if (st == WHIT_OK && !m->lent) st = whit_context_open(&m->context, &co, err);
    if (st == WHIT_OK) st = wh_acts_served(m->context, m->acts, err);
    if (st != WHIT_OK) return st;
    st = wh_model_load(m, err);
    if (st != WHIT_OK) return wh_prefix(err, st, m->path);
    wh_model_tell(m);
    return note_warnings(m, err);
}

/* context: the caller's, or NULL: one of its own with so many threads. */
static whit_status open_model(whit_model **out, const char *path, whit_context *context,
                              unsigned threads, whit_acts acts, whit_error *err)
{
    whit_model *m = wh_calloc(1, sizeof *m);
    if (!m) return wh_fail(err, WHIT_ERR_NOMEM, "no memory for a model");
    m->context = context;
    m->lent = context != NULL;
    m->acts = acts;
    m->ops = wh_ops_select();
    m->path = wh_strndup(path, strlen(path));
    whit_status st =
        m->path ? open_all(m, threads, err) : wh_fail(err, WHIT_ERR_NOMEM, "no memory for a model");
    if (st != WHIT_OK) {
        whit_model_close(m);
        return st;
    }
    *out = m;
    return WHIT_OK;
}

whit_status whit_model_open(whit_model **out, const char *path, const whit_model_options *options,
                            whit_error *err)
{
    whit_model_options o;
    whit_model_options_init(&o);
    if (!out) return wh_fail(err, WHIT_ERR_ARG, "whit_model_open: no place for the result");
    *out = NULL;
    if (!path || !*path) return wh_fail(err, WHIT_ERR_ARG, "whit_model_open: no path");
    if (options && options->struct_size != sizeof o)
        return wh_fail(err, WHIT_ERR_ARG, "whit_model_open: struct_size not set");
    if (options) o = *options;
    if (!whit_acts_name(o.acts))
        return wh_fail(err, WHIT_ERR_ARG, "whit_model_open: no such kind of activations");
    return open_model(out, path, NULL, o.threads, o.acts, err);
}

whit_status wh_model_open_in(whit_model **out, const char *path, whit_context *context,
                             whit_acts acts, whit_error *err)
{
    *out = NULL;
    return open_model(out, path, context, 0, acts, err);
}

void whit_model_close(whit_model *model)
{
    if (!model) return;
    wh_model_unload(model);
    if (!model->lent) whit_context_close(model->context);
    whit_source_close(model->source);
    wh_lines_free(&model->warnings);
    free(model->drawn);
    free(model->path);
    free(model);
}

const whit_model_info *whit_model_describe(const whit_model *model)
{
    return &model->info;
}

size_t whit_model_warnings(const whit_model *model)
{
    return model->warnings.count;
}

const char *whit_model_warning(const whit_model *model, size_t index)
{
    return wh_lines_at(&model->warnings, index);
}

size_t whit_model_linears(const whit_model *model)
{
    return (size_t)model->config.layers * WH_LINEARS + 1;
}

const whit_model_linear *whit_model_linear_at(const whit_model *model, size_t index)
{
    const size_t layer = index / WH_LINEARS;
    if (layer < model->config.layers) return &model->layer[layer].linear[index % WH_LINEARS].told;
    return index == whit_model_linears(model) - 1 ? &model->head.told : NULL;
}

whit_context *whit_model_context(whit_model *model)
{
    return model->context;
}
