/* lacuna convert: make a model file from a safetensors checkpoint. */
#include <stdlib.h>

#include "common/say.h"
#include "lacuna/cmd.h"

int cmd_convert(int argc, char **argv)
{
    static const char *const types[] = {"f32", "bf16", "q8_0", NULL};
    lacuna_convert_options co = {.size = LACUNA_CONVERT_INIT};
    const char *config = NULL, *out = NULL;
    int type = -1, verbose = 0;
    const arg_opt opts[] = {
        OPT("config", 0, ARG_TEXT, &config, "C.json", "configuration of the checkpoint (needed)"),
        OPT("output", 'o', ARG_TEXT, &out, "OUT.gguf", "file to write (needed)"),
        OPT_ONE_OF("type", &type, "TYPE", types, "type of the matrices: f32, bf16 or q8_0 (default)", NULL),
        OPT("tokenizer", 0, ARG_TEXT, &co.tokenizer, "SP.model", "SentencePiece model to embed (default: none, ids only)"),
        OPT("name", 0, ARG_TEXT, &co.name, "NAME", "name of the model (default: the input's file name)"),
        OPT("license", 0, ARG_TEXT, &co.license, "SPDX", "licence of the weights, an SPDX expression"),
        OPT("verbose", 'v', ARG_FLAG, &verbose, NULL, "say what was written"),
        OPT_END,
    };
    arg_list files = {0};
    int code = cmd_args("convert", "IN.safetensors --config C.json -o OUT.gguf [OPTION...]",
                        "Convert a checkpoint of the published Eso-LM architecture, or of the house one, to GGUF.", opts, argc,
                        argv, 1, &files);
    if (code == GO_ON && !files.n) code = cmd_usage("convert", "the input is missing (IN.safetensors)");
    if (code == GO_ON && !config) code = cmd_usage("convert", "option --config is missing");
    if (code == GO_ON && !out) code = cmd_usage("convert", "option -o is missing");
    if (code == GO_ON) {
        lacuna_error err;
        code = EXIT_DONE;
        if (type >= 0) co.type = types[type];
        if (lacuna_convert(files.v[0], config, out, &co, &err) < 0) {
            say("%s", err.msg);
            code = EXIT_FAILED;
        } else if (verbose) {
            say("%s written", out);
        }
    }
    free(files.v);
    return code;
}
