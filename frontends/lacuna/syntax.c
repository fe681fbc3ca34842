/* The syntax tree of the text at hand. */
#include "lacuna/syntax.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/grammar_path.h"
#include "common/lang.h"

static int refuse(lacuna_error *err, const char *why)
{
    *err = (lacuna_error){.code = LACUNA_E_ARG};
    snprintf(err->msg, sizeof err->msg, "%s", why);
    return LACUNA_E_ARG;
}

/* Make s->doc one of this language.  1, 0: no grammar, or a negative code. */
static int of_language(syntax *s, const char *language, lacuna_error *err)
{
    if (s->doc && !strcmp(s->language, language)) return 1;
    lacuna_document_free(s->doc);
    free(s->language);
    s->doc = NULL, s->language = NULL;
    if (!s->path) s->path = grammar_path();
    int r = lacuna_document_open(&s->doc, s->path, language, NULL, err);
    if (r > 0) s->language = xcopy(language);
    return r;
}

int syntax_of(syntax *s, const wishes *w, int needed, const char *path, const char *tag, lacuna_text text, lacuna_document **out,
              lacuna_error *err)
{
    int insist = needed || w->syntax == SYNTAX_ON || w->grammar;
    *out = NULL;
    if (w->syntax == SYNTAX_OFF && !needed) return 0;
    const char *language = w->grammar ? w->grammar : lang_grammar(path, tag, text.bytes, text.len);
    if (!language) return insist ? refuse(err, "no grammar is known for this kind of text: give its name as grammar") : 0;
    int r = of_language(s, language, err);
    if (r == 0 && insist) {
        buf b = {0};
        buf_fmt(&b, "no grammar '%.60s' in %s (LACUNA_GRAMMARS names folders)", language, *s->path ? s->path : "any folder: none is there");
        r = refuse(err, b.p);
        buf_free(&b);
    }
    if (r > 0) r = lacuna_document_set(s->doc, text.bytes, text.len, err);
    else if (r == 0) return 0;
    if (r >= 0) return *out = s->doc, 1;
    return insist || err->code == LACUNA_E_NOMEM ? r : 0; /* a grammar that cannot be used is none */
}

void syntax_close(syntax *s)
{
    lacuna_document_free(s->doc);
    free(s->language);
    free(s->path);
    *s = (syntax){0};
}
