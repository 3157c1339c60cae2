/* tests/tool_runs.h - commands of the tool in child processes of a test: what they are given, what
 * they leave.
 *
 * The tool's main is linked in under the name whit_main; faults.h is included before this. Commands
 * run in the scratch folder, where "in" holds what they read and "log" what they say.
 *
 * SPDX-License-Identifier: MIT */
#ifndef WHIT_TOOL_RUNS_H
#define WHIT_TOOL_RUNS_H

#include "configs.h"
#include "models.h"

int whit_main(int argc, char **argv); /* of tools/whit.c */

typedef struct tool_shared {
    int seen; /* calls of the kind that is to fail */
} tool_shared;

typedef struct tool_command {
    const char *name;
    const char *out[2]; /* in the scratch folder, up to the first NULL */
    int old;            /* the first output is there already, as the folder or file "old" */
    int timed;          /* what is printed differs from run to run */
    const char *argv[20];
} tool_command;

/* ---- what is there --------------------------------------------------------------------------- */

/* An output; 0: it is not there. Of a report that holds times only whether it is. */
static inline uint64_t tool_output(const tool_command *c, int i)
{
    const uint64_t one = scratch_state(c->out[i], 0);
    return c->timed && strstr(c->out[i], ".json") ? one != 0 : one;
}

static inline void tool_remove(const char *name)
{
    scratch_remove_tree(name);
    remove(name);
}

static inline void tool_copy(const char *from, const char *to)
{
    struct stat st;
    if (stat(from, &st) != 0) scratch_die(from);
    if (!S_ISDIR(st.st_mode)) {
        size_t len;
        void *data = scratch_read(from, &len);
        FILE *f = fopen(to, "wb");
        if (!f || fwrite(data, 1, len, f) != len || fclose(f) != 0) scratch_die(to);
        free(data);
        return;
    }
    if (mkdir(to, 0700) != 0) scratch_die(to);
    DIR *d = opendir(from);
    for (struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d)) {
        char a[SCRATCH_PATH], b[SCRATCH_PATH];
        if (e->d_name[0] == '.') continue;
        snprintf(a, sizeof a, "%.600s/%.300s", from, e->d_name);
        snprintf(b, sizeof b, "%.600s/%.300s", to, e->d_name);
        tool_copy(a, b);
    }
    if (d) closedir(d);
}

/* Before a command: no outputs, or the old one; nothing was said. */
static inline void tool_prepare(const tool_command *c)
{
    for (size_t i = 0; i < 2 && c->out[i]; i++) tool_remove(c->out[i]);
    if (c->old) tool_copy("old", c->out[0]);
    tool_remove("log/out");
    tool_remove("log/err");
}

/* The scratch folder holds the inputs, the logs, what is old, an empty folder, and the outputs
 * where they are made; a folder of outputs holds nothing that is hidden. */
static inline int tool_only(const tool_command *c, int made)
{
    int ok = 1;
    DIR *d = opendir(".");
    for (struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d)) {
        const char *n = e->d_name;
        int known = !strcmp(n, ".") || !strcmp(n, "..") || !strcmp(n, "in") || !strcmp(n, "log") ||
                    !strcmp(n, "old") || !strcmp(n, "none");
        for (size_t i = 0; i < 2 && c->out[i]; i++)
            known |= (made || (c->old && i == 0)) && !strcmp(n, c->out[i]);
        if (!known) printf("there is %s\n", n);
        ok &= known;
    }
    if (d) closedir(d);
    d = c->out[0] ? opendir(c->out[0]) : NULL;
    for (struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d))
        ok &= e->d_name[0] != '.' || !strcmp(e->d_name, ".") || !strcmp(e->d_name, "..");
    if (d) closedir(d);
    return ok;
}

/* One line on stderr is an error, the others are warnings. */
static inline int tool_one_error(void)
{
    size_t len, errors = 0, others = 0;
    char *text = scratch_read("log/err", &len), *next;
    for (char *line = text; line < text + len; line = next) {
        next = memchr(line, '\n', len - (size_t)(line - text));
        if (!next) break;
        *next++ = 0;
        if (strncmp(line, "whit: warning: ", 15) == 0) continue;
        if (strncmp(line, "whit: ", 6) == 0)
            errors++;
        else
            others++;
    }
    free(text);
    return errors == 1 && others == 0;
}

/* A command that fails when its output is in place already, or half of a folder, says so. */
static inline int tool_says_what_is_there(void)
{
    size_t len;
    char *text = scratch_read("log/err", &len), *end = realloc(text, len + 1);
    if (!end) scratch_die("memory");
    end[len] = 0;
    const int says =
        strstr(end, "files are in place") || strstr(end, "is gone") || strstr(end, "complete");
    free(end);
    return says;
}

static inline void tool_show_errors(void)
{
    size_t len;
    char *text = scratch_read("log/err", &len);
    fwrite(text, 1, len, stdout);
    free(text);
}

/* ---- running --------------------------------------------------------------------------------- */

static inline void tool_redirect(int fd, const char *path)
{
    const int to = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (to < 0 || dup2(to, fd) != fd) _exit(99);
    close(to);
}

/* In a child: the command, with faults as `armed` says; does not return. */
_Noreturn static inline void tool_child(const tool_command *c, tool_shared *shared, int armed)
{
    char *argv[22];
    int argc = 0;
    argv[argc++] = (char *)(uintptr_t) "whit";
    for (size_t i = 0; i < 20 && c->argv[i]; i++) argv[argc++] = (char *)(uintptr_t)c->argv[i];
    argv[argc] = NULL;
    fflush(stdout);
    tool_redirect(1, "log/out");
    tool_redirect(2, "log/err");
    alarm(120);
    atomic_store(&fault.seen, 0);
    fault.armed = armed;
    const int code = whit_main(argc, argv);
    fault.armed = 0;
    shared->seen = atomic_load(&fault.seen);
    fflush(stdout);
    _exit(code);
}

/* Runs a command without faults; it must work. */
static inline void tool_run(const tool_command *c)
{
    tool_shared ignored;
    int status = 0;
    const pid_t child = fork();
    if (child == 0) tool_child(c, &ignored, 0);
    if (child < 0 || waitpid(child, &status, 0) != child) scratch_die("fork");
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%s: status %x", c->name,
          (unsigned)status);
    if (status != 0) tool_show_errors();
}

/* ---- the commands ---------------------------------------------------------------------------- */

#define QUIET "--progress", "none"
#define TEXT "in/text", "--context", "8"
#define BRIEF                                                                                      \
    "--seconds", "0.001", "-T", "1", QUIET, "--max-memory" /* the least of it is brief too */

static const tool_command tool_commands[] = {
    /* clang-format off */
    { "quantize", { "out" }, 0, 1,
      { "quantize", "in/m", "-o", "out", "--scheme", "int4-g32", "--embeddings", "nf4", "-T", "2", QUIET } },
    { "quantize, file and JSON", { "o.safetensors", "r.json" }, 0, 1,
      { "quantize", "in/m", "-o", "o.safetensors", "--recipe", "in/recipe", "--json=r.json", "-T", "1", "-q" } },
    { "quantize, the only file", { "o.safetensors" }, 0, 1,
      { "quantize", "in/odd", "-o", "o.safetensors", "--scheme", "int8", "-T", "1", "-q" } },
    { "quantize over a folder", { "out" }, 1, 1,
      { "quantize", "in/m", "-o", "out", "--scheme", "int8", "--force", "-T", "1", "-q" } },
    { "quantize to GGUF", { "o.gguf" }, 0, 1,
      { "quantize", "in/m", "-o", "o.gguf", "--scheme", "q4_0", "--calibration", "in/a.state", "-T", "1", "-q" } },
    { "quantize from GGUF", { "o.gguf" }, 0, 1,
      { "quantize", "in/g.gguf", "-o", "o.gguf", "--scheme", "q8_0", "--requantize", "-T", "1", "-q" } },
    { "quantize, llama2.c", { "o.safetensors" }, 0, 1,
      { "quantize", "in/l.bin", "-o", "o.safetensors", "--scheme", "int8", "--requantize", "-T", "1", "-q" } },
    { "quantize to compressed-tensors", { "out" }, 0, 1,
      { "quantize", "in/m", "-o", "out", "--format", "compressed-tensors", "--rule", "*_proj=fp8_e4m3-channel", "-T", "1", "-q" } },
    { "quantize to gptq", { "out" }, 0, 1,
      { "quantize", "in/m", "-o", "out", "--format", "gptq", "--rule", "*_proj=int4-g32", "-T", "1", "-q" } },
    { "quantize to awq", { "out" }, 0, 1,
      { "quantize", "in/m", "-o", "out", "--format", "awq", "--rule", "*_proj=int4-g32-asym", "-T", "1", "-q" } },
    { "quantize to bitsandbytes", { "out" }, 0, 1,
      { "quantize", "in/m", "-o", "out", "--format", "bitsandbytes", "--rule", "*_proj=nf4-g64", "-T", "1", "-q" } },
    { "quantize --method gptq", { "out" }, 0, 1,
      { "quantize", "in/m", "-o", "out", "--scheme", "int4-g32", "--method", "gptq", "--text", TEXT, "-T", "1", "-q" } },
    { "plan", { NULL }, 0, 0,
      { "plan", "in/m", "-o", "x", "--scheme", "int4-g32", "--json", "-T", "1", QUIET } },
    { "plan --explain", { NULL }, 0, 0,
      { "plan", "in/m", "--recipe", "in/recipe", "--explain", "model.layers.0.mlp.up_proj.weight", QUIET } },
    { "plan --sweep", { "w.csv", "w.svg" }, 0, 0,
      { "plan", "in/m", "--sweep", "--csv", "w.csv", "--svg", "w.svg", "-T", "1", QUIET } },
    { "dequantize", { "d.safetensors" }, 0, 0,
      { "dequantize", "in/q", "-o", "d.safetensors", "-T", "2", QUIET } },
    { "inspect", { NULL }, 0, 0,
      { "inspect", "in/q", "--check", "--stats", "--tensors", "-T", "1", QUIET } },
    { "inspect, JSON", { "i.json", "i.svg" }, 0, 0,
      { "inspect", "in/m", "--check", "--json=i.json", "--svg", "i.svg", "-T", "1", "-q" } },
    { "inspect --provenance", { NULL }, 0, 0, { "inspect", "in/q", "--provenance", QUIET } },
    { "inspect a state", { NULL }, 0, 0, { "inspect", "in/a.state", "--stats", "--check", QUIET } },
    { "inspect a file beside", { NULL }, 0, 0, { "inspect", "in/m/tokenizer.json", QUIET } },
    { "compare", { NULL }, 0, 0, { "compare", "in/m", "in/q", "-T", "2", QUIET } },
    { "verify", { NULL }, 0, 0, { "verify", "in/q", "-T", "2", QUIET } },
    { "verify --against", { NULL }, 0, 0,
      { "verify", "in/q", "--against", "in/m", "--json", "-T", "1", QUIET } },
    { "calibrate", { "c.state" }, 0, 1,
      { "calibrate", "in/m", "--text", TEXT, "-o", "c.state", "-T", "1", "-q" } },
    { "calibrate --hessian", { "c.state" }, 0, 1,
      { "calibrate", "in/m", "--text", TEXT, "--hessian", "-o", "c.state", "-T", "1", "-q" } },
    { "calibrate --merge", { "c.dat" }, 0, 1,
      { "calibrate", "--merge", "in/a.state", "in/b.state", "-o", "c.dat", "-q" } },
    { "calibrate --compare", { NULL }, 0, 0,
      { "calibrate", "--compare", "in/a.state", "in/b.state", QUIET } },
    { "eval", { NULL }, 0, 1,
      { "eval", "in/q", "--base", "in/m", "--text", TEXT, "--json", "-T", "1", QUIET } },
    { "generate", { NULL }, 0, 0, { "generate", "in/q", "--prompt", "ab", "--tokens", "3", "-T", "1" } },
    { "tokenize", { NULL }, 0, 0, { "tokenize", "in/m", "--text", "in/text" } },
    { "tokenize --decode", { NULL }, 0, 0, { "tokenize", "in/m", "--text", "in/ids", "--decode" } },
    { "bench", { "b.json" }, 0, 1,
      { "bench", "--type", "int4-g32", "--shape", "64x64", "--warm", BRIEF, "37MiB", "--json=b.json" } },
    { "bench --model", { NULL }, 0, 1,
      { "bench", "--model", "in/q", "--warm", BRIEF, "37MiB" } },
    { "bench quantize", { "b.json" }, 0, 1,
      { "bench", "quantize", "--type", "q4_0", "--shape", "64x64", BRIEF, "17MiB", "--json=b.json" } },
    { "bench gptq", { NULL }, 0, 1,
      { "bench", "gptq", "--type", "int4-g32", "--shape", "64x64", BRIEF, "17MiB", "--json" } },
    { "bench model", { NULL }, 0, 1,
      { "bench", "model", "in/m", "--type", "int8", BRIEF, "123MiB" } },
    { "bench --list", { NULL }, 0, 0, { "bench", "--list" } },
    { "help", { NULL }, 0, 0, { "help", "quantize" } },
    { NULL, { NULL }, 0, 0, { NULL } },
    /* clang-format on */
};

/* A whole model of one layer with its vocabulary, and what is made of it. Moves into the scratch
 * folder. */
static inline void tool_inputs(const scratch *s)
{
    static const tool_command makes[] = {
        { "in/q",
          { NULL },
          0,
          0,
          { "quantize", "in/m", "-o", "in/q", "--scheme", "int4-g32", "-q" } },
        { "in/g.gguf",
          { NULL },
          0,
          0,
          { "quantize", "in/m", "-o", "in/g.gguf", "--scheme", "q4_0", "-q" } },
        { "in/a.state",
          { NULL },
          0,
          0,
          { "calibrate", "in/m", "--text", TEXT, "-o", "in/a.state", "-q" } },
        { "in/b.state",
          { NULL },
          0,
          0,
          { "calibrate", "in/m", "--text", "in/other", "--context", "8", "-o", "in/b.state",
            "-q" } },
        { "old", { NULL }, 0, 0, { "quantize", "in/m", "-o", "old", "--scheme", "f16", "-q" } },
    };
    static const uint32_t numbers[] = { 0x616b3432, 2, 8, 16, 1, 2, 1, 12, 4 };
    char config[CONFIGS_TEXT];
    st_text bin = { 0 };
    if (chdir(s->path) != 0) scratch_die(s->path);
    scratch_folder(s, "log");
    scratch_folder(s, "in");
    configs_text(config, "vocab_size 5\nnum_hidden_layers 1\nhidden_size 32\nintermediate_size 64\n"
                         "num_attention_heads 2\nnum_key_value_heads 1\n"
                         "bos_token_id 3\neos_token_id 4\n");
    models_folder(s, "in/m", config);
    scratch_text(s, "in/m/tokenizer.json",
                 "{\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false},"
                 "\"decoder\":{\"type\":\"ByteLevel\"},\"model\":{\"type\":\"BPE\",\"vocab\":"
                 "{\"a\":0,\"b\":1,\"ab\":2,\"c\":3,\"d\":4},\"merges\":[\"a b\"]}}");
    scratch_folder(s, "in/odd");
    tool_copy("in/m/model.safetensors", "in/odd/weights.safetensors");
    scratch_text(s, "in/text", "abbaababaabbbabaababbbbaabababab");
    scratch_text(s, "in/other", "bbbbbbbaaaabbbaaabbabaa");
    scratch_text(s, "in/ids", "2\n1\n0\n");
    scratch_text(s, "in/recipe", "# a comment\n* int4-g32\n*.down_proj int8-channel\n");
    for (int i = 0; i < 9; i++) gg_int(&bin, numbers[i], 4);
    gg_int(&bin, 1, 1);
    gg_int(&bin, 8, 4); /* the group */
    while (bin.len < 256 + 4 * 24) st_put(&bin, "", 1);
    for (uint32_t n = (96 + 64 + 32 + 32 + 64 + 3 * 128) / 8 * 12; n > 0; n--)
        st_put(&bin, "\1", 1);
    scratch_write(s, "in/l.bin", bin.data, bin.len);
    free(bin.data);
    for (size_t i = 0; i < sizeof makes / sizeof makes[0]; i++) tool_run(&makes[i]);
}

#endif
