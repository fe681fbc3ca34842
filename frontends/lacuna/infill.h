/* Options of `lacuna infill`, for its two ways of working: one text, or one JSON object a line. */
#ifndef LACUNA_INFILL_COMMAND_H
#define LACUNA_INFILL_COMMAND_H

#include "lacuna/engine.h"
#include "lacuna/fill.h"

typedef struct {
    engine_options e;
    sampler s;
    uint32_t min_tokens, candidates;
    int one_line, exact, strict, stream, only, null, json, jsonl, no_heal;
    uint32_t pace;
    const char *marker;
    int marker_seen;
    arg_list at, ranges;
} infill_options;

/* The hole [span) with the limits the options set for every hole. */
lacuna_hole infill_hole(const infill_options *o, lacuna_span span);

/* What to do about an error of the library: text to put behind its message, "" where there is nothing to say. */
const char *infill_advice(const infill_options *o, const lacuna_error *err);

/* All of `lacuna infill --jsonl`; returns the exit code. */
int infill_jsonl(const infill_options *o, const char *path);

#endif
