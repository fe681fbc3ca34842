/* lacuna train: train a network, or fit a model to texts of one's own. */
#include "lacuna/train.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lacuna/cmd.h"

/* Numbers whose zero is not their default are NaN until given; 0 then means none, which the library wants negative. */
static double *const *unset(lacuna_train_options *to, double **list)
{
    double *all[] = {&to->lr, &to->split, &to->next_weight, &to->cut_share, &to->lr_muon, &to->decay, &to->clip, &to->cool, NULL};
    memcpy(list, all, sizeof all);
    return list;
}

static int check(train_settings *o, double alpha0)
{
    lacuna_train_options *to = &o->to;
    const arg_list *lists[] = {&o->data, &o->held};
    for (int l = 0; l < 2; l++)
        for (size_t i = 0; i < lists[l]->n; i++)
            if (!*lists[l]->v[i]) return cmd_usage("train", "--%s is empty", l ? "held-out" : "data");
    if (o->out && !*o->out) return cmd_usage("train", "--out is empty");
    const char *const sources = "one of --base, --config and --resume is needed, and no more";
    int n = (o->base != NULL) + (to->config != NULL) + (to->resume != NULL);
    if (o->shard ? (o->base != NULL) + (o->tokenizer != NULL) + (to->resume != NULL) != 1 : n != 1)
        return cmd_usage("train", "%s", o->shard ? "--shard needs one of --base, --tokenizer and --resume" : sources);
    if (!o->shard && (to->config != NULL) != (o->tokenizer != NULL))
        return cmd_usage("train", "--config and --tokenizer go together");
    if (to->checkpoint && !to->config) return cmd_usage("train", "--checkpoint needs --config");
    if (o->eval && !o->held.n) return cmd_usage("train", "--eval needs --held-out");
    if (!o->eval && !o->data.n) return cmd_usage("train", "--data is missing");
    if (o->eval && (o->data.n || o->shard)) return cmd_usage("train", "--eval takes neither --data nor --shard");
    if (to->steps && o->minutes > 0) return cmd_usage("train", "--steps and --minutes cannot be used together");
    if (o->new_corpus && !to->resume) return cmd_usage("train", "--new-corpus goes with --resume");
    if (to->lr == 0) return cmd_usage("train", "--lr must be above 0");
    if (to->ema >= 1) return cmd_usage("train", "--ema must be below 1");
    double *list[10];
    for (double *const *p = unset(to, list); *p; p++) **p = isnan(**p) ? 0 : **p == 0 ? -1 : **p;
    if (to->resume) {
        int fixed = to->objective || to->length || to->split != 0 || to->low_var || to->block || to->paper_share != 0 ||
                    to->holes || to->next_weight != 0 || to->cut_share != 0 || to->batch || to->lanes ||
                    to->decay != 0 || to->clip != 0 || to->ema != 0 || to->warmup || to->seed || !isnan(alpha0);
        if (fixed)
            return cmd_usage("train", "with --resume, objective, network and optimiser are those the run was begun with: "
                                      "of these only --lr, --lr-muon, --cool and --steps can be changed");
    }
    to->alpha0_set = !isnan(alpha0);
    to->alpha0 = to->alpha0_set ? alpha0 : 0;
    return GO_ON;
}

int cmd_train(int argc, char **argv)
{
    static const char *const types[] = {"f32", "bf16", "q8_0", NULL}, *const precisions[] = {"bf16", "f32", NULL};
    static const char *const objectives[] = {"infill", "eso-b", "eso-a", "mdlm", "bd3", "ar", "fim", NULL};
    train_settings o = {.save_every = 5, .log_every = 10, .held_examples = 64};
    double alpha0 = NAN, *list[10];
    int type = -1, precision = -1, objective = -1;
    lacuna_train_options *to = &o.to;
    to->size = LACUNA_TRAIN_INIT;
    for (double *const *p = unset(to, list); *p; p++) **p = NAN;
    const arg_opt opts[] = {
        OPT_HEAD("text"),
        OPT("data", 0, ARG_LIST, &o.data, "PATH",
            "text to train on: a folder, a text, or a shard (*.bin); may be repeated"),
        OPT("held-out", 0, ARG_LIST, &o.held, "PATH", "text to measure on (default: about every 20th file of --data)"),
        OPT_NUM("held-out-examples", 0, ARG_U64, &o.held_examples, "N", 1, 1e6, "examples to measure on (default 64)"),
        OPT("shard", 0, ARG_TEXT, &o.shard, "OUT.bin", "write --data as a shard of tokens and exit"),
        OPT_HEAD("what to train"),
        OPT("base", 0, ARG_TEXT, &o.base, "MODEL", "a model to fit to the text; `default` is the one infill uses"),
        OPT("config", 0, ARG_TEXT, &to->config, "C.json", "a new network of these sizes"),
        OPT("tokenizer", 0, ARG_TEXT, &o.tokenizer, "SP.model", "its SentencePiece model"),
        OPT("checkpoint", 0, ARG_TEXT, &to->checkpoint, "W.safetensors", "weights to start from (with --config)"),
        OPT("resume", 0, ARG_TEXT, &to->resume, "STATE", "go on with the run of a state file"),
        OPT("new-corpus", 0, ARG_FLAG, &o.new_corpus, NULL, "with --resume: the text may be another than before"),
        OPT_HEAD("how long"),
        OPT_NUM("minutes", 0, ARG_REAL, &o.minutes, "M", 0.001, 1e7, "time to train (with --base and no --steps: 5)"),
        OPT_NUM("steps", 0, ARG_U64, &to->steps, "N", 1, 9e15, "steps in all (default: until a signal comes)"),
        OPT_HEAD("output"),
        OPT("out", 'o', ARG_TEXT, &o.out, "OUT",
            "OUT.gguf, or a folder for model.gguf and state.safetensors (default lacuna-mine.gguf)"),
        OPT("force", 0, ARG_FLAG, &o.force, NULL, "replace the state of another run"),
        OPT_ONE_OF("type", &type, "TYPE", types, "type of the model's matrices: f32, bf16 or q8_0 (default)", NULL),
        OPT("name", 0, ARG_TEXT, &o.name, "NAME", "name of the model (default: of its file)"),
        OPT("license", 0, ARG_TEXT, &o.license, "SPDX", "licence of the weights"),
        OPT_NUM("save-every", 0, ARG_REAL, &o.save_every, "MINUTES", 0, 1e7,
                "time between two saves of the state (default 5)"),
        OPT_NUM("log-every", 0, ARG_U32, &o.log_every, "N", 1, 4294967295.0,
                "steps between two lines of the log (default 10)"),
        OPT("eval", 0, ARG_FLAG, &o.eval, NULL, "only measure --held-out and exit"),
        OPT_HEAD("objective"),
        OPT_ONE_OF("objective", &objective, "NAME", objectives, "infill (default), eso-b, eso-a, mdlm, bd3, ar or fim",
                   NULL),
        OPT_NUM("length", 0, ARG_U32, &to->length, "N", 2, 1048576, "entries of an example (default 512)"),
        OPT_NUM("holes", 0, ARG_U32, &to->holes, "N", 1, 1048576, "infill: holes of an example at most (default 8)"),
        OPT("grammars", 0, ARG_TEXT, &to->grammars, "DIRS",
            "folders with tree-sitter grammars, for holes that are nodes of the syntax"),
        OPT_NUM("next-weight", 0, ARG_REAL, &to->next_weight, "W", 0, 1e6,
                "infill: weight of the next-token loss (default 0.5)"),
        OPT_NUM("cut-share", 0, ARG_REAL, &to->cut_share, "P", 0, 1,
                "infill: share of holes cut inside tokens (default 0.3)"),
        OPT_NUM("paper-share", 0, ARG_REAL, &to->paper_share, "P", 0, 1,
                "infill: share of examples that are eso-b (default 0)"),
        OPT_NUM("alpha0", 0, ARG_REAL, &alpha0, "A", 0, 1, "eso-*: share of diffusion"),
        OPT_NUM("split", 0, ARG_REAL, &to->split, "P", 0, 1, "eso-*: share of diffusion examples (default 0.5)"),
        OPT("low-var", 0, ARG_FLAG, &to->low_var, NULL, "diffusion weight 1 instead of that of the bound"),
        OPT_NUM("block", 0, ARG_U32, &to->block, "N", 1, 1048576, "bd3: tokens of a block (default 16)"),
        OPT_HEAD("optimiser"),
        OPT_NUM("batch", 0, ARG_U32, &to->batch, "N", 1, 1048576, "examples a step (default 16)"),
        OPT_NUM("lanes", 0, ARG_U32, &to->lanes, "N", 1, 4096,
                "sums of gradients kept apart: threads and ranks at most (default 4)"),
        OPT_NUM("lr", 0, ARG_REAL, &to->lr, "R", 0, 1e6, "learning rate of AdamW (default 0.003, with --base 0.001)"),
        OPT_NUM("lr-muon", 0, ARG_REAL, &to->lr_muon, "R", 0, 1e6,
                "of Muon (default 0.02, with --base 0.006; 0: AdamW for all)"),
        OPT_NUM("decay", 0, ARG_REAL, &to->decay, "D", 0, 1e6, "weight decay (default 0.01)"),
        OPT_NUM("clip", 0, ARG_REAL, &to->clip, "C", 0, 1e30, "largest norm of the gradient (default 1; 0: any)"),
        OPT_NUM("ema", 0, ARG_REAL, &to->ema, "D", 0, 1,
                "decay of an average of the weights, which is then what is measured and written"),
        OPT_NUM("warmup", 0, ARG_U64, &to->warmup, "N", 1, 9e15,
                "steps up to the full rate (default 30, with --base 10)"),
        OPT_NUM("cool", 0, ARG_REAL, &to->cool, "P", 0, 1,
                "last share of the steps, in which the rate falls to 0 (default 0.3)"),
        OPT("seed", 0, ARG_U64, &to->seed, "N", "seed of everything drawn (default 0)"),
        OPT_HEAD("machine"),
        OPT_NUM("threads", 0, ARG_U32, &to->threads, "N", 1, 256,
                "threads (default: all processors); the result does not depend on it"),
        OPT_ONE_OF("precision", &precision, "P", precisions,
                   "bf16 or f32 products (default: bf16 where the processor has it)", NULL),
        OPT("kernel", 0, ARG_TEXT, &to->kernel, "NAME", "kernel table: ref, avx2, avx512, neon"),
        OPT_END,
    };
    arg_list none = {0};
    int code = cmd_args("train", "--data PATH... [--base MODEL | --config C.json --tokenizer SP.model | --resume STATE] "
                                 "[OPTION...]",
                        "Train a network on text, or fit a model to texts of your own:\n\n"
                        "    lacuna train --base default --data ~/src/mine",
                        opts, argc, argv, 0, &none);
    if (type >= 0) o.type = types[type];
    if (precision >= 0) to->precision = precisions[precision];
    if (objective >= 0) to->objective = objectives[objective];
    if (code == GO_ON) code = check(&o, alpha0);
    if (code == GO_ON) code = train_run(&o);
    free(none.v);
    free(o.data.v);
    free(o.held.v);
    return code;
}
