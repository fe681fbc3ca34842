/* Small models with random weights, made where a test wants one. */
#ifndef TESTS_COMMON_TINY_H
#define TESTS_COMMON_TINY_H

#include <stdint.h>

#include "model/weights.h"

/* Write a checkpoint with random weights and convert it to GGUF at path (F32, no tokenizer).  house: 0 for the
 * published architecture.  The mask index is vocab - 1; logits have a spread of about 1.5.  width / heads must be even.
 * Two files beside path come and go.  0, or a lacuna_code. */
int tiny_model(const char *path, int house, uint32_t vocab, uint32_t width, uint32_t layers, uint32_t heads, uint64_t seed);

/* The same with a type ("f32", "bf16", "q8_0") and a mask index. */
int tiny_model_as(const char *path, int house, uint32_t vocab, uint32_t width, uint32_t layers, uint32_t heads, uint64_t seed,
                  const char *type, uint32_t mask);

/* An open model file with its weights bound. */
typedef struct {
    lac_gguf file;
    lac_weights w;
} tiny;

void tiny_open(tiny *t, const char *path); /* fails the running test */
void tiny_close(tiny *t);

/* A new empty folder for files of this process, under $TMPDIR or /tmp; and its removal with the files in it. */
const char *tiny_folder(char path[256]);
void tiny_folder_remove(const char *path);

#endif
