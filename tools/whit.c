/* tools/whit.c - the whit command: names its subcommands, picks one, checks stdout at the end.
 *
 * Not here: the options (cli.c) and what the commands do (a file each).
 *
 * SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#define _FILE_OFFSET_BITS 64

#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#if defined(__GLIBC__)
#include <malloc.h>
#endif

static int run_help(const cli_options *opt);

const cli_command cli_commands[] = {
    { "quantize", CLI_QUANTIZE, cli_quantize, 1, SIZE_MAX, "IN.. -o OUT",
      "write a model with weights of a few bits",
      "IN is a safetensors, GGUF, NPY, NPZ, PyTorch or llama2.c file, a model folder or its\n"
      "index file; one that is quantized already needs --requantize. OUT ending in .safetensors\n"
      "or .gguf is one file, any other name a folder with shards, index and the small files as in\n"
      "the input.\n"
      "Matrices get the scheme; embeddings, output head, norms and small tensors are kept.\n"
      "\n"
      "A scheme is KIND[-GRANULARITY][-OPTION]..: int2 to int8, nf4, fp4, fp4bnb, fp8_e4m3,\n"
      "fp8_e5m2, mxfp4, nvfp4, f16, bf16, f32 or keep; then tensor, channel, gN (N columns share\n"
      "a scale) or, for fp8, blockRxC; then asym (a zero point), dq (nf4, fp4bnb: scales "
      "quantized\n"
      "in turn), or sf32, sf16, sbf16 (type of the scales). Recommended: int4-g128, the default;\n"
      "int8-channel for more quality. A GLOB is matched with whole tensor names: * ? [a-z] {a,b}\n"
      "{0..3}.\n"
      "\n"
      "A GGUF file is made from a GGUF file or a Llama, Mistral, Qwen2 or Qwen3 folder, of types\n"
      "q8_0 q4_0 q4_1 q5_0 q5_1 q2_k q3_k q4_k q5_k q6_k iq4_nl iq4_xs q1_0 q2_0 tq1_0 tq2_0 "
      "mxfp4\n"
      "f16 bf16 f32, or a mix that decides about every tensor: q2_k_s q2_k_m q3_k_s q3_k_m\n"
      "q3_k_l q4_k_s q4_k_m q5_k_s q5_k_m. Recommended: q4_k_m, the default there. The formats\n"
      "compressed-tensors (intN and fp8), gptq, awq (int4) and bitsandbytes (nf4, fp4bnb, int8) "
      "take\n"
      "a model folder to one that their loaders know; a8 as an option says that activations "
      "become\n"
      "8 bits too, a8s that calibration has their scales.\n"
      "\n"
      "Of several IN each becomes OUT/NAME, a folder or a file as it was. One that fails has its\n"
      "line on stderr, the others still run; the exit code is that of the first failure. --json\n"
      "then prints one object a line, for every input that went well.\n",
      "whit quantize Llama-3.1-8B/ -o out/ --scheme int4-g128 --rule '*.down_proj=int8-channel'" },
    { "plan", CLI_PLAN, cli_plan, 1, SIZE_MAX, "IN..",
      "say what quantize would do, and write nothing",
      "Takes the options of quantize and prints what each tensor would become and why, the exact\n"
      "sizes, memory, and about how long it would take. For that some tiles are read and encoded,\n"
      "for a second at most; not with --quiet, --explain or JSON on stdout. --json prints what\n"
      "quantize --dry-run --json does, with --explain an object of its own.\n"
      "\n"
      "--sweep measures int8, int6 to int2, nf4, fp4 and fp8_e4m3 in groups of 16 to 256 and per\n"
      "channel, int4-asym, mxfp4 and nvfp4 on the tensors that would be quantized. Of a large "
      "tensor a\n"
      "sample is measured: about a million weights in rows at equal distances. Sizes are exact.\n",
      "whit plan Llama-3.1-8B/ --recipe mixed.txt --explain model.layers.0.mlp.down_proj" },
    { "dequantize", CLI_DEQUANTIZE, cli_dequantize, 1, 1, "IN -o OUT.safetensors",
      "write the weights back as plain floats",
      "Every quantized tensor is decoded; f32 holds the decoded values exactly. Tensors that are\n"
      "stored plain keep their type and bytes.\n",
      "whit dequantize out/ -o plain.safetensors --dtype bf16" },
    { "inspect", CLI_INSPECT, cli_inspect, 1, 1, "IN", "say what a model file holds",
      "Prints format, metadata, types, schemes and sizes. With --check all data is read: scales\n"
      "must be finite and codes in range, else the exit code is 4. NaN in a plain tensor is a "
      "note.\n"
      "config.json and tokenizer.json are read too: by themselves as IN, or with --check those of "
      "a\n"
      "folder, where an architecture that generate does not know is a note.\n",
      "whit inspect out/ --tensors --check" },
    { "compare", CLI_COMPARE, cli_compare, 2, 2, "A B", "measure what a model lost",
      "Compares the decoded values of B with those of A, tensor by tensor of the same name, the\n"
      "largest share of the squared error first.\n",
      "whit compare Llama-3.1-8B/ out/ --top 3 --min-sqnr 15" },
    { "verify", CLI_VERIFY, cli_verify, 1, 1, "FILE", "prove that a model's tensors are as written",
      "Reads all data: every stored tensor must have the SHA-256 that quantize wrote into the "
      "file,\n"
      "scales must be finite and codes in range. A file without digests (other programs') has\n"
      "the second check only, and that is said. --against makes some tensors again from the "
      "source,\n"
      "by the recipe and options that the file carries, and compares the bytes; the version must "
      "be\n"
      "the one that made the file, and no --method. What does not fit is named: exit code 4.\n",
      "whit verify out/ --against Llama-3.1-8B/" },
    { "bench", CLI_BENCH, cli_bench, 0, 2, "[matmul|quantize|memory|model MODEL|gptq]",
      "measure what this machine does with packed weights",
      "matmul, the default: products of packed weights with activations, in about a minute. Every\n"
      "row says what share of the time the nearer bound asks for: reading the weights at the "
      "speed\n"
      "of this machine's memory, or the instructions at their peak; both are probed in the same "
      "run,\n"
      "before, between and after. quantize: the encoders, in million weights a second and core,\n"
      "block types of GGUF (q4_k, ..) with both searches: the reference encoder's, and the best.\n"
      "memory: reading and latency by size, on 2 MiB and 4 KiB pages.\n"
      "model: the forward pass of MODEL with its own types and with others, 512 tokens at once "
      "and\n"
      "token by token; what share of reading the weights and of the products alone it is.\n"
      "gptq: one layer from the second moment of its inputs to codes, without and with three "
      "passes\n"
      "of descent and new scales: seconds of each step, share of the peak of multiply-adds, "
      "memory.\n"
      "\n"
      "us min is the fastest call, median the middle one; the first two are dropped. A run whose\n"
      "probes differ by more than 10 %, or that shared the processors, is marked noisy. --shape,\n"
      "--tokens and --type take lists and are measured in every combination.\n",
      "whit bench --type f16,int8-channel,int4-g128 --tokens 1,8 --shape 4096x14336" },
    { "eval", CLI_EVAL, cli_eval, 1, 1, "MODEL --text FILE | MODEL --choices FILE",
      "measure how good a model is, and what it lost",
      "MODEL is a model folder with its tokenizer, or a GGUF file. --text gives the perplexity "
      "with\n"
      "its standard error (windows are the samples). With --base both models read the text side "
      "by\n"
      "side: Kullback-Leibler divergence of the next token (mean, quantiles, maximum), share of\n"
      "equal first choices, RMS change of the right token's probability, ratio of the "
      "perplexities\n"
      "with a paired 95 % interval, the ten worst positions. No logits are stored.\n"
      "\n"
      "Protocols: window, the start of text and the whole text cut into windows, all but the "
      "first\n"
      "token of each scored (GPTQ papers); chunk, start of text and context - 1 tokens in each\n"
      "window, all scored; half, as window, but each begins with the start of text, and the "
      "second\n"
      "half is scored (llama.cpp); story, each stretch without an empty line by itself. What does\n"
      "not fill a window is dropped, except of stories.\n"
      "\n"
      "--choices: lines {\"prompt\": .., \"choices\": [..], \"answer\": 0, \"tag\": ..}; the "
      "choice of the\n"
      "highest log-likelihood behind the prompt is taken, and again by length in characters. What\n"
      "exceeds the context is cut off the prompt's beginning. With --base the answers that flip.\n",
      "whit eval out/ --base Llama-3.1-8B/ --text wiki.txt --fail-if 'kl.mean>0.03'" },
    { "calibrate", CLI_CALIBRATE, cli_calibrate, 0, SIZE_MAX,
      "MODEL --text FILE -o STATE | --merge A B.. -o C",
      "measure what comes into the matrices of a model",
      "Runs MODEL, a folder with its tokenizer or a GGUF file, and keeps for the input of every\n"
      "matrix: tokens, of each channel least and largest value, means of x, |x| and x^2, and two\n"
      "histograms. quantize --calibration weighs errors with them. A text is cut into windows by\n"
      "itself: the start of text, where the tokenizer puts one, and the next tokens. Ids that\n"
      "begin with it have it once.\n"
      "\n"
      "States merge exactly: --merge gives the very bytes that one run over all texts gives, in "
      "any\n"
      "order. With weights (A:0.7 B:0.3) it mixes means, and the result merges no more. --compare\n"
      "says for each input how the channels' mean squares of B rank against those of A (1: "
      "alike),\n"
      "the largest magnitude of B over that of A, and how many channels leave their range: low "
      "ranks\n"
      "tell a text that does not represent the use. whit inspect STATE --stats prints a state.\n",
      "whit calibrate Llama-3.1-8B/ --text wiki.txt --tokens 100000 -o wiki.state" },
    { "generate", CLI_GENERATE, cli_generate, 1, 1, "MODEL",
      "let a language model go on with a text",
      "MODEL is a folder with config.json and a tokenizer, or a GGUF file: Llama, Mistral, Qwen2,\n"
      "Qwen3, with weights of any type that whit reads. Prints the prompt and what follows, as it\n"
      "comes; on stderr, at the end, tokens per second. A text ends with a token that the model "
      "names\n"
      "as an end (eos_token_id), with one that starts a text, after --tokens, or where the context "
      "is\n"
      "full. A prompt that is longer than the context is refused.\n"
      "\n"
      "The same seed gives the same text, whatever the threads and the instruction set.\n",
      "whit generate out/ --prompt 'Once upon a time' --temperature 0.8 --top-p 0.9 --seed 1" },
    { "tokenize", CLI_TOKENIZE, cli_tokenize, 1, 1, "MODEL --text FILE",
      "turn a text into the ids of its tokens",
      "MODEL is a model's folder or one with nothing but tokenizer files, a tokenizer.json, a\n"
      "tokenizer.model, llama2.c's tokenizer.bin or a GGUF file. Prints an id a line, with the\n"
      "special tokens that the vocabulary puts around a text. FILE is taken as it is and must be\n"
      "UTF-8; special tokens that it spells count as such. --decode goes the way back, and leaves "
      "out\n"
      "what goes around a text.\n",
      "whit tokenize Llama-3.1-8B/ --text wiki.txt --json" },
    { "help", CLI_HELP, run_help, 0, 1, "[COMMAND]", "explain whit or one of its commands",
      "The same text as whit COMMAND --help.\n", "whit help quantize" },
    { NULL, 0, NULL, 0, 0, NULL, NULL, NULL, NULL }
};

static int run_help(const cli_options *opt)
{
    const cli_command *command = NULL;
    if (opt->operands_count == 1) {
        command = cli_command_find(opt->operands[0]);
        if (!command) return cli_command_unknown(opt->operands[0]);
    }
    cli_help(command, stdout);
    return CLI_EXIT_OK;
}

static int show_version(void)
{
    printf("whit %s\n", whit_version());
    return CLI_EXIT_OK;
}

static int show_usage(void)
{
    fputs("usage: whit COMMAND [OPTIONS]\ncommands:", stderr);
    for (const cli_command *c = cli_commands; c->name; c++) fprintf(stderr, " %s", c->name);
    fputs("\ntry: whit help\n", stderr);
    return CLI_EXIT_USAGE;
}

static int run_command(const cli_options *opt)
{
    whit_error err = { WHIT_OK, "" };
    const char *isa = NULL;
    if (opt->command->bit &
        (CLI_WORK | CLI_GENERATE)) { /* a wrong WHIT_ISA stops here, not hours into a job */
        whit_status st = whit_isa(&isa, &err);
        if (st != WHIT_OK) return cli_finish(opt, st, &err);
        cli_note(opt, "instruction set %s", isa);
    }
    return opt->command->run(opt);
}

static int dispatch(int argc, char **argv)
{
    cli_options opt;
    int rc = CLI_EXIT_OK;

    if (argc < 2) return show_usage();
    if (strcmp(argv[1], "--version") == 0) return show_version();
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        cli_help(NULL, stdout);
        return CLI_EXIT_OK;
    }
    const cli_command *command = cli_command_find(argv[1]);
    if (!command) return cli_command_unknown(argv[1]);

    switch (cli_parse(&opt, command, argc - 2, argv + 2)) {
    case CLI_RUN:
        rc = run_command(&opt);
        break;
    case CLI_SHOW_HELP:
        cli_help(command, stdout);
        break;
    case CLI_SHOW_VERSION:
        rc = show_version();
        break;
    case CLI_BAD_USAGE:
        rc = CLI_EXIT_USAGE;
        break;
    case CLI_NO_MEMORY:
        rc = CLI_EXIT_SYSTEM;
        break;
    }
    cli_options_free(&opt);
    return rc;
}

/* A standard descriptor that is closed would be handed to the next file that is opened, and the
 * table or a warning would land inside the weights. Opened the wrong way round, so that using it
 * still fails. */
static int guard_descriptors(void)
{
    for (int fd = 0; fd <= 2; fd++) {
        if (fcntl(fd, F_GETFD) != -1 || errno != EBADF) continue;
        if (open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY) != fd) return CLI_EXIT_SYSTEM;
    }
    return CLI_EXIT_OK;
}

/* What is freed goes back to the system. Left alone, glibc learns from the first large block to
 * keep blocks of up to 32 MiB, and a job over many matrices holds twice what it uses. */
static void return_memory(void)
{
#if defined(__GLIBC__)
    mallopt(M_MMAP_THRESHOLD, 1 << 20);
    mallopt(M_TRIM_THRESHOLD, 4 << 20);
#endif
}

int main(int argc, char **argv)
{
    if (guard_descriptors() != CLI_EXIT_OK) return CLI_EXIT_SYSTEM;
    return_memory();
    signal(SIGPIPE, SIG_IGN); /* a closed pipe is an error like others, and leaves no debris */
    signal(SIGXFSZ, SIG_IGN); /* and so is a file that a limit forbids */

    cli_results_guard();
    int rc = dispatch(argc, argv);

    errno = 0;
    if (fflush(stdout) != 0 || ferror(stdout)) {
        cli_error(NULL, "standard output: %s", errno ? strerror(errno) : "not all was written");
        if (rc == CLI_EXIT_OK) rc = CLI_EXIT_SYSTEM;
    }
    return rc;
}
