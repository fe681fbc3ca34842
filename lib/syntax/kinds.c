#include "syntax/kinds.h"

#include <string.h>
#include <tree_sitter/api.h>

#include "base/err.h"

#define IMPORT LAC_KIND_IMPORT
#define CALL LAC_KIND_CALL
#define FUNCTION LAC_KIND_FUNCTION
#define CLASS LAC_KIND_CLASS
#define DECLARES LAC_KIND_DECLARES
#define BLOCK LAC_KIND_BLOCK
#define THROUGH LAC_KIND_THROUGH
#define BODY LAC_KIND_BODY
#define LINE LAC_KIND_LINE
#define TITLED LAC_KIND_TITLED
#define PART LAC_KIND_PART
#define OPEN LAC_KIND_OPEN
#define CLOSE LAC_KIND_CLOSE
#define INNER LAC_KIND_INNER
#define TAIL LAC_KIND_TAIL
#define QUOTED LAC_KIND_QUOTED

/* Node types with blanks between them; a type may stand in several rows. */
typedef struct {
    unsigned kind;
    const char *types;
} row;

typedef struct {
    const char *name;
    const row *rows; /* kind 0 ends them */
    const char *call;
    bool by_indent;
} table;

static const row of_c[] = {
    {IMPORT, "preproc_include"},
    {FUNCTION, "function_definition"},
    {DECLARES, "declaration type_definition struct_specifier union_specifier enum_specifier"},
    {TAIL, "type_definition"},
    {DECLARES | LINE, "preproc_def preproc_function_def"},
    {BLOCK, "if_statement else_clause for_statement while_statement do_statement switch_statement case_statement"},
    {THROUGH, "preproc_if preproc_ifdef preproc_else preproc_elif preproc_elifdef linkage_specification declaration_list"},
    {BODY, "compound_statement field_declaration_list enumerator_list initializer_list declaration_list"},
    {INNER, "compound_statement argument_list parameter_list preproc_params field_declaration_list enumerator_list"},
    {PART, "string_content character escape_sequence"},
    {QUOTED, "system_lib_string"},
    {0, NULL},
};

static const row of_python[] = {
    {IMPORT, "import_statement import_from_statement future_import_statement"},
    {FUNCTION, "function_definition"},
    {CLASS, "class_definition"},
    {THROUGH, "decorated_definition"},
    {BLOCK | THROUGH, "if_statement elif_clause else_clause try_statement except_clause finally_clause with_statement"},
    {BLOCK, "for_statement while_statement match_statement case_clause"},
    {BODY, "block"},
    {INNER, "argument_list parameters"},
    {PART, "string_content escape_sequence"},
    {PART | OPEN, "string_start"},
    {PART | CLOSE, "string_end"},
    {0, NULL},
};

static const row of_lua[] = {
    {FUNCTION, "function_declaration function_definition"},
    {CALL | DECLARES, "variable_declaration"},
    {CALL, "assignment_statement function_call"},
    {DECLARES, "assignment_statement"},
    {BLOCK, "if_statement elseif_statement else_statement for_statement while_statement repeat_statement do_statement"},
    {BODY, "block table_constructor"},
    {INNER, "arguments parameters"},
    {PART, "string_content escape_sequence"},
    {0, NULL},
};

static const row of_javascript[] = {
    {IMPORT, "import_statement"},
    {FUNCTION, "function_declaration generator_function_declaration function_expression generator_function arrow_function method_definition"},
    {CLASS, "class_declaration class"},
    {CALL | DECLARES, "lexical_declaration variable_declaration"},
    {CALL, "expression_statement"},
    {THROUGH, "export_statement"},
    {BLOCK, "if_statement else_clause for_statement for_in_statement while_statement do_statement switch_statement switch_case switch_default "
            "try_statement catch_clause finally_clause"},
    {BODY, "statement_block class_body switch_body object array"},
    {INNER, "statement_block class_body switch_body arguments formal_parameters"},
    {PART, "string_fragment escape_sequence"},
    {0, NULL},
};

static const row of_bash[] = {
    {CALL, "command"},
    {FUNCTION, "function_definition"},
    {DECLARES | LINE, "variable_assignment declaration_command"},
    {BLOCK, "if_statement elif_clause else_clause for_statement c_style_for_statement while_statement case_statement case_item"},
    {BODY | INNER, "compound_statement do_group"},
    {PART, "string_content command_name heredoc_end"},
    {QUOTED, "raw_string"},
    {0, NULL},
};

static const row of_json[] = {
    {THROUGH | BODY, "object"},
    {BODY, "array"},
    {FUNCTION, "pair"},
    {PART, "string_content escape_sequence"},
    {0, NULL},
};

static const row of_markdown[] = {
    {THROUGH | TITLED, "section"},
    {DECLARES | LINE, "atx_heading setext_heading"},
    {PART, "block_continuation fenced_code_block_delimiter atx_h1_marker atx_h2_marker atx_h3_marker atx_h4_marker atx_h5_marker atx_h6_marker "
           "setext_h1_underline setext_h2_underline list_marker_minus list_marker_plus list_marker_star list_marker_dot "
           "list_marker_parenthesis block_quote_marker"},
    {0, NULL},
};

static const row of_go[] = {
    {IMPORT, "import_declaration package_clause"},
    {FUNCTION, "function_declaration method_declaration func_literal"},
    {DECLARES, "type_declaration var_declaration const_declaration"},
    {BLOCK, "if_statement for_statement expression_switch_statement type_switch_statement select_statement expression_case type_case "
            "default_case communication_case"},
    {BODY, "block field_declaration_list interface_type literal_value"},
    {INNER, "block argument_list parameter_list"},
    {PART, "interpreted_string_literal_content raw_string_literal_content escape_sequence"},
    {0, NULL},
};

static const row of_rust[] = {
    {IMPORT, "use_declaration extern_crate_declaration"},
    {FUNCTION, "function_item function_signature_item closure_expression"},
    {CLASS, "impl_item trait_item mod_item foreign_mod_item"},
    {DECLARES, "struct_item enum_item union_item type_item const_item static_item macro_definition"},
    {BLOCK, "if_expression else_clause for_expression while_expression loop_expression match_expression match_arm"},
    {BODY, "block declaration_list field_declaration_list enum_variant_list match_block"},
    {INNER, "arguments parameters declaration_list field_declaration_list enum_variant_list match_block"},
    {PART, "string_content escape_sequence"},
    {0, NULL},
};

static const table tables[] = {
    {"c", of_c, "", false},
    {"python", of_python, "", true},
    {"lua", of_lua, "require", false},
    {"javascript", of_javascript, "require", false},
    {"bash", of_bash, "^source ^.", false},
    {"json", of_json, "", false},
    {"markdown", of_markdown, "", false},
    {"go", of_go, "", false},
    {"rust", of_rust, "", false},
};

/* Is a word among those of a list? */
static bool listed(const char *list, const char *word)
{
    const size_t n = strlen(word);
    for (const char *p = list; *p;) {
        const size_t k = strcspn(p, " ");
        if (k == n && !memcmp(p, word, n)) return true;
        p += k + (p[k] == ' ');
    }
    return false;
}

static unsigned by_table(const row *rows, const char *type)
{
    unsigned kind = 0;
    for (; rows->kind; rows++)
        if (listed(rows->types, type)) kind |= rows->kind;
    return kind;
}

static bool ends(const char *s, const char *with)
{
    const size_t n = strlen(s), k = strlen(with);
    return n >= k && !strcmp(s + n - k, with);
}

/* Grammars name things alike: a function_definition is a method_declaration elsewhere. */
static unsigned by_name(const char *type)
{
    const bool defines = ends(type, "_definition") || ends(type, "_declaration") || ends(type, "_item") || ends(type, "_specifier");
    if (strstr(type, "import") || strstr(type, "include")) return ends(type, "_statement") || defines || strstr(type, "preproc") ? IMPORT : 0;
    if (defines && (strstr(type, "function") || strstr(type, "method") || strstr(type, "constructor"))) return FUNCTION;
    if (defines && (strstr(type, "class") || strstr(type, "module") || strstr(type, "namespace") || strstr(type, "trait"))) return CLASS;
    if (defines && (strstr(type, "struct") || strstr(type, "enum") || strstr(type, "interface") || strstr(type, "type"))) return DECLARES;
    if (!strncmp(type, "if_", 3) || !strncmp(type, "for_", 4) || !strncmp(type, "while_", 6)) return BLOCK;
    if (strstr(type, "argument") || strstr(type, "parameter")) return ends(type, "s") || ends(type, "_list") ? INNER : 0;
    if (ends(type, "block") || ends(type, "_body") || ends(type, "declaration_list") || !strcmp(type, "compound_statement")) return BODY;
    if (!strcmp(type, "string_content") || !strcmp(type, "string_fragment") || !strcmp(type, "escape_sequence")) return PART;
    return 0;
}

int lac_kinds_open(lac_kinds *out, const TSLanguage *language, const char *name, const lacuna_allocator *mem, lacuna_error *err)
{
    const table *t = NULL;
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
        if (!strcmp(tables[i].name, name)) t = &tables[i];
    *out = (lac_kinds){.n = ts_language_symbol_count(language), .call = t ? t->call : "", .by_indent = t && t->by_indent};
    out->of = lac_mem_zalloc(mem, out->n * sizeof *out->of);
    if (!out->of) return lac_nomem(err, "node types");
    for (size_t i = 0; i < out->n; i++) {
        if (ts_language_symbol_type(language, (TSSymbol)i) != TSSymbolTypeRegular) continue;
        const char *type = ts_language_symbol_name(language, (TSSymbol)i);
        out->of[i] = (uint16_t)(t ? by_table(t->rows, type) : by_name(type));
    }
    return 0;
}

void lac_kinds_free(lac_kinds *k, const lacuna_allocator *mem) { lac_mem_free(mem, k->of, k->n * sizeof *k->of); }
