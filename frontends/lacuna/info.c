/* lacuna info: what is in a model file. */
#include <stdlib.h>

#include "common/io.h"
#include "common/say.h"
#include "lacuna/cmd.h"
#include "lacuna/engine.h"
#include "lacuna/report.h"

static void put_text(buf *b, const char *path, const lacuna_model_info *in)
{
    buf_fmt(b, "file        %s\n", path);
    if (*in->name) buf_fmt(b, "name        %s\n", in->name);
    if (*in->license) buf_fmt(b, "licence     %s\n", in->license);
    buf_fmt(b, "variant     %s\n", in->variant);
    buf_fmt(b, "weights     %s, %llu parameters, %llu bytes\n", in->weights, (unsigned long long)in->n_params,
            (unsigned long long)in->file_size);
    buf_fmt(b, "network     %u layers, width %u, %u heads, feed-forward %u\n", in->n_layer, in->n_embd, in->n_head, in->n_ff);
    buf_fmt(b, "context     %u positions\n", in->n_context);
    buf_fmt(b, "vocabulary  %u, mask %d", in->n_vocab, (int)in->mask);
    if (in->eom >= 0) buf_fmt(b, ", <eom> %d", (int)in->eom);
    buf_put(b, in->has_tokenizer ? ", tokenizer inside\n" : ", no tokenizer (ids only)\n");
    if (in->n_tags) buf_put(b, "languages  ");
    for (size_t i = 0; i < in->n_tags; i++) buf_fmt(b, " %s", in->tags[i]);
    if (in->n_tags) buf_put(b, "\n");
    buf_fmt(b, "kernel      %s\n", in->kernel);
}

int cmd_info(int argc, char **argv)
{
    engine_options o = {0};
    engine e = {0};
    int json = 0, verify = 0;
    const arg_opt opts[] = {
        OPT("model", 'm', ARG_TEXT, &o.model, "MODEL", "the same as the operand"),
        OPT("json", 0, ARG_FLAG, &json, NULL, "one JSON object"),
        OPT("verify", 0, ARG_FLAG, &verify, NULL, "read all tensors and compare with the checksum in the file"),
        OPT_END,
    };
    arg_list files = {0};
    int code = cmd_args("info", "[OPTION...] [MODEL]", "Tell what is in a model file (default: the model that infill would use).",
                        opts, argc, argv, 1, &files);
    if (code == GO_ON && files.n && o.model) code = cmd_usage("info", "the model is given twice");
    if (files.n) o.model = files.v[0];
    free(files.v);
    if (code != GO_ON) return code;
    if (engine_open_model(&e, &o)) return EXIT_FAILED;
    lacuna_error err;
    code = EXIT_DONE;
    if (verify && lacuna_model_verify(e.model, &err) < 0) code = engine_failed(&err);
    if (code == EXIT_DONE) {
        buf b = {0};
        if (json) {
            buf_put(&b, "{");
            report_info(&b, e.path, e.info);
            if (verify) buf_put(&b, ",\"verified\":true");
            buf_put(&b, "}\n");
        } else {
            put_text(&b, e.path, e.info);
            if (verify) buf_put(&b, "checksum    right\n");
        }
        io_out(b.p, b.n);
        buf_free(&b);
    }
    engine_close(&e);
    return code;
}
