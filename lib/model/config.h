/* Reading the configuration of a checkpoint: sizes and constants, as JSON.
 *
 * Two forms.  Official (recognised by "hidden_size", "n_blocks" or "cond_dim"): that of the published
 * checkpoints.  House (by "dim", "layers" or "ff"): that of this project's training.  Values may be numbers,
 * booleans, or strings that spell one ("256", "True").  Keys that are not used here are ignored. */
#ifndef LAC_MODEL_CONFIG_H
#define LAC_MODEL_CONFIG_H

#include "model/weights.h"

typedef struct {
    lac_hparams hp;     /* checked for sense, mask only if has_mask */
    bool has_mask;      /* "mask_index" is given */
    uint32_t cond;      /* official: width of the conditioning vector */
    uint32_t freq;      /* official: features of the sigma embedding */
    char name[96];      /* base name of the file, for messages */
} lac_config;

/* IO, FORMAT (not JSON, a key missing or of another type), LIMIT. */
int lac_config_load(lac_config *c, const char *path, lacuna_error *err);

/* The same over text in memory. */
int lac_config_parse(lac_config *c, const char *text, size_t len, const char *name, lacuna_error *err);

#endif
