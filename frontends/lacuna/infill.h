/* Options of `lacuna infill`, for its two ways of working: one text, or one JSON object a line. */
#ifndef LACUNA_INFILL_COMMAND_H
#define LACUNA_INFILL_COMMAND_H

#include "common/wishes.h"
#include "lacuna/control.h"
#include "lacuna/engine.h"
#include "lacuna/fill.h"
#include "lacuna/syntax.h"

typedef struct {
    engine_options e;
    sampler s;
    wishes w;
    control c;
    uint32_t min_tokens;
    int one_line, exact, strict, stream, only, null, json, jsonl, no_heal;
    uint32_t pace;
    const char *marker, *lengths;
    int marker_seen;
    arg_list at, ranges, nodes;
} infill_options;

/* A text and its holes in text order. */
typedef struct {
    buf text;
    hole_set holes;
    const char *path;   /* or NULL */
} infill_text;

/* Find the holes of c->text, with the limits the options set for all; markers are taken out of it.  GO_ON, or the exit code (said). */
int infill_find_holes(const infill_options *o, syntax *s, infill_text *c);

/* The hole [span) with the limits the options set for every hole. */
lacuna_hole infill_hole(const infill_options *o, lacuna_span span);

/* What the options say of single holes, and whether holes are healed.  GO_ON, or the exit code (said). */
int infill_controls(infill_options *o, hole_set *holes);

/* What to tell about an error of the library: its message in the words of the options, with advice. */
void infill_tell(const infill_options *o, const hole_set *holes, const lacuna_error *err, char *msg, size_t msg_size);

/* Give opt the document of a text, where its syntax counts.  0, or a negative code. */
int infill_document(const infill_options *o, syntax *s, const char *path, lacuna_text text, lacuna_infill_options *opt, lacuna_error *err);

/* All of `lacuna infill --jsonl`; returns the exit code. */
int infill_jsonl(infill_options *o, const char *path);

#endif
