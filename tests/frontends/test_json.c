/* JSON out and in, UTF-8, and requests of `serve`. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "common/json.h"
#include "common/rpc.h"
#include "common/utf8.h"

static void compact(void **state)
{
    (void)state;
    buf b = {0};
    buf_put(&b, "{");
    json_add_text(&b, "a", "x\"\\\n\t\x01\x7f\xc3\xa9", 9);
    json_add_real(&b, "r", -0.5);
    json_add_real(&b, "nan", NAN);
    json_add_real(&b, "inf", -INFINITY);
    json_add_real(&b, "tiny", 1e-300);
    json_add_real(&b, "zero", -0.0);
    json_add_uint(&b, "u", UINT64_MAX);
    json_add_int(&b, "i", -3);
    json_add_bool(&b, "t", 1);
    buf_put(&b, "}");
    assert_string_equal(b.p, "{\"a\":\"x\\\"\\\\\\n\\t\\u0001\\u007f\xc3\xa9\",\"r\":-0.5,\"nan\":null,\"inf\":null,\"tiny\":1e-300,"
                             "\"zero\":0,\"u\":18446744073709551615,\"i\":-3,\"t\":true}");
    buf_free(&b);
}

static void not_utf8(void **state)
{
    (void)state;
    buf b = {0};
    buf_put(&b, "{");
    json_add_text(&b, "t", "a\xff\xe2\x96z", 5);
    json_add_text(&b, "u", "ok", 2);
    buf_put(&b, "}");
    assert_string_equal(b.p, "{\"t\":\"a\xef\xbf\xbd\xef\xbf\xbdz\",\"t_bytes\":\"Yf/ilno=\",\"u\":\"ok\"}");
    buf_free(&b);
    static const struct { const char *in, *out; } b64[] = {{"", "\"\""}, {"f", "\"Zg==\""}, {"fo", "\"Zm8=\""}, {"foo", "\"Zm9v\""}};
    for (size_t i = 0; i < 4; i++) {
        json_put_base64(&b, b64[i].in, strlen(b64[i].in));
        assert_string_equal(b.p, b64[i].out);
        buf_free(&b);
    }
}

/* Every code point is taken with its length; every two-byte start that is not one is refused. */
static void utf8(void **state)
{
    (void)state;
    for (uint32_t cp = 0; cp < 0x110000; cp++) {
        char s[4];
        size_t n = cp < 0x80 ? 1 : cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4;
        for (size_t i = n; i-- > 1;) s[i] = (char)(0x80 | (cp >> (6 * (n - 1 - i)) & 0x3f));
        s[0] = (char)(n == 1 ? cp : (0xf00u >> n & 0xff) | cp >> (6 * (n - 1)));
        uint32_t back = 0;
        size_t got = utf8_take(s, n, &back);
        if (cp >= 0xd800 && cp < 0xe000) assert_int_equal(got, 0);
        else if (got != n || back != cp) fail_msg("U+%04X", cp);
        if (n > 1) assert_int_equal(utf8_take(s, n - 1, NULL), 0);
    }
    static const char *const bad[] = {"\xc0\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf8\x88\x80\x80", "\x80"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) assert_int_equal(utf8_take(bad[i], strlen(bad[i]), NULL), 0);
    assert_int_equal(utf8_bad("\xe2\x96z", 3), 2);
    assert_int_equal(utf8_bad("\x80\x80", 2), 1);
    assert_int_equal(utf8_columns(0x4e2d), 2);
    assert_int_equal(utf8_columns(0x301), 0);
}

static int parse(const char *line, rpc_request *r)
{
    char err[256];
    return rpc_parse(line, strlen(line), r, err, sizeof err);
}

static void requests(void **state)
{
    (void)state;
    static const struct { const char *line; int code, has_id; } cases[] = {
        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"info\"}", 0, 1},
        {"{\"jsonrpc\":\"2.0\",\"id\":\"a\",\"method\":\"info\",\"params\":{}}\r", 0, 1},
        {"{\"jsonrpc\":\"2.0\",\"id\":null,\"method\":\"info\"}", 0, 1},
        {"{\"jsonrpc\":\"2.0\",\"method\":\"info\"}", 0, 0},
        {"", RPC_PARSE, 0},
        {"{\"jsonrpc\":\"2.0\",", RPC_PARSE, 0},
        {"{} {}", RPC_PARSE, 0},
        {"3", RPC_INVALID, 0},
        {"[]", RPC_INVALID, 0},
        {"{}", RPC_INVALID, 0},
        {"{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"info\"}", RPC_INVALID, 1},
        {"{\"jsonrpc\":\"2.0\",\"id\":1}", RPC_INVALID, 1},
        {"{\"jsonrpc\":\"2.0\",\"id\":[],\"method\":\"info\"}", RPC_INVALID, 0},
        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"info\",\"params\":[1]}", RPC_INVALID, 1},
        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"infill\",\"params\":{\"seed\":9223372036854775808}}", RPC_PARAMS, 1},
        {"{\"jsonrpc\":\"2.0\",\"id\":9223372036854775808,\"method\":\"info\"}", RPC_PARAMS, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        rpc_request r;
        if (parse(cases[i].line, &r) != cases[i].code || (r.id != NULL) != cases[i].has_id) fail_msg("%s", cases[i].line);
        rpc_free(&r);
    }
}

static int infill_code(const char *params, char *err)
{
    rpc_infill_params p;
    json_t *o = json_loads(params, 0, NULL);
    assert_non_null(o);
    int code = rpc_infill(o, &p, err, 256);
    rpc_infill_free(&p);
    json_decref(o);
    return code;
}

/* Every field of a hole is where it belongs. */
static void holes(void **state)
{
    (void)state;
    char err[256];
    rpc_infill_params p;
    json_t *o = json_loads("{\"text\":\"abcd\",\"candidates\":3,\"syntax\":\"on\",\"grammar\":\"c\",\"repairs\":2,\"explain\":true,\"holes\":["
                           "{\"start\":0,\"end\":1,\"regex\":\"a+\",\"begin_with\":\"x\",\"end_with\":\"y\",\"ban\":[\"p\",\"qq\"],\"choices\":[],\"temperature\":0},"
                           "{\"node\":2,\"shape\":\"word\",\"temperature\":0.5},{\"start\":3,\"choices\":[\"\",\"b\"]}]}", 0, NULL);
    assert_int_equal(rpc_infill(o, &p, err, sizeof err), 0);
    const lacuna_hole *h = p.holes.v;
    assert_int_equal(p.holes.n, 3);
    assert_memory_equal(h[0].regex.bytes, "a+", 3);
    assert_int_equal(h[0].begin.len + h[0].end.len, 2);
    assert_int_equal(h[0].n_ban, 2);
    assert_int_equal(h[0].ban[1].len, 2);
    assert_true(h[0].temperature < 0 && h[1].temperature == 0.5 && h[2].temperature == 0);
    assert_true(p.holes.more[1].is_node && h[1].span.start == 2 && !strcmp(h[1].shape, "word"));
    assert_int_equal(p.holes.more[2].n_choices, 2);
    assert_true(p.w.candidates == 3 && p.w.syntax == SYNTAX_ON && p.opt.repairs == 2 && p.opt.explain && !strcmp(p.w.grammar, "c"));
    rpc_infill_free(&p);
    json_decref(o);
}

static int rank_code(const char *params, char *err)
{
    rpc_rank_params p;
    json_t *o = json_loads(params, 0, NULL);
    assert_non_null(o);
    int code = rpc_rank(o, &p, err, 256);
    if (!code) assert_true(p.n == 2 && p.fills && p.opt.heal);
    rpc_rank_free(&p);
    json_decref(o);
    return code;
}

static void rank(void **state)
{
    (void)state;
    char err[256];
    assert_int_equal(rank_code("{\"text\":\"ab\",\"holes\":[{\"start\":1}],\"fills\":[\"x\",[\"y\"]]}", err), 0);
    assert_int_equal(rank_code("{\"text\":\"ab\",\"holes\":[{\"start\":0},{\"start\":1}],\"fills\":[[\"x\",null],[\"y\",null]]}", err), 0);
    static const struct { const char *params, *names; } bad[] = {
        {"{\"text\":\"ab\",\"fills\":[\"x\"]}", "holes: missing"},
        {"{\"text\":\"ab\",\"holes\":[{\"start\":1}]}", "fills: expected"},
        {"{\"text\":\"ab\",\"holes\":[{\"start\":1}],\"fills\":[]}", "fills: expected"},
        {"{\"text\":\"ab\",\"holes\":[{\"start\":1}],\"fills\":[\"x\",[\"y\",\"z\"]]}", "fills[1]: expected an array of 1"},
        {"{\"text\":\"ab\",\"holes\":[{\"start\":0},{\"start\":1}],\"fills\":[\"x\"]}", "fills[0]: expected an array of 2"},
        {"{\"text\":\"ab\",\"holes\":[{\"start\":0},{\"start\":1}],\"fills\":[[\"x\",1]]}", "fills[0]: [1]"},
        {"{\"text\":\"ab\",\"holes\":[{\"start\":1}],\"fills\":[\"x\"],\"order\":\"left\"}", "order: no such field"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(rank_code(bad[i].params, err), RPC_PARAMS);
        if (!strstr(err, bad[i].names)) fail_msg("'%s' does not name %s", err, bad[i].names);
    }
}

static void params(void **state)
{
    (void)state;
    char err[256];
    assert_int_equal(infill_code("{\"text\":\"ab\",\"holes\":[{\"start\":1,\"end\":1}]}", err), 0);
    assert_int_equal(infill_code("{\"text\":\"ab\",\"holes\":[{\"start\":1}],\"temperature\":null}", err), 0);
    assert_int_equal(infill_code("{\"text\":\"ab\",\"holes\":[{\"start\":1}],\"seed\":\"18446744073709551615\"}", err), 0);
    assert_int_equal(infill_code("{\"text\":\"ab\",\"holes\":[{\"start\":1}],\"lossless\":true,\"order\":\"left\",\"rule\":\"independent\"}", err), 0);
    static const struct { const char *params, *names; } bad[] = {
        {"{\"holes\":[{\"start\":1,\"end\":1}]}", "text"},
        {"{\"text\":3,\"holes\":[]}", "text"},
        {"{\"text\":\"ab\"}", "holes"},
        {"{\"text\":\"ab\",\"holes\":[]}", "holes"},
        {"{\"text\":\"ab\",\"holes\":[{\"start\":1},{\"end\":1}]}", "holes[1]: start"},
        {"{\"text\":\"ab\",\"holes\":[{\"start\":-1}]}", "start"},
        {"{\"text\":\"ab\",\"holes\":[{\"start\":1.5}]}", "start"},
        {"{\"text\":\"ab\",\"holes\":[{\"start\":1,\"max_tokens\":4294967296}]}", "max_tokens"},
        {"{\"text\":\"ab\",\"holes\":[{\"start\":1}],\"temperature\":\"hot\"}", "temperature"},
        {"{\"text\":\"ab\",\"holes\":[{\"start\":1}],\"temperature\":-1}", "temperature"},
        {"{\"text\":\"ab\",\"holes\":[{\"start\":1}],\"top_p\":2}", "top_p"},
        {"{\"text\":\"ab\",\"holes\":[{\"start\":1}],\"order\":\"up\"}", "order"},
        {"{\"text\":\"ab\",\"holes\":[{\"start\":1}],\"stream\":1}", "stream"},
        {"{\"text\":\"ab\",\"holes\":[{\"start\":1}],\"seed\":\"18446744073709551616\"}", "seed"},
        {"{\"text\":\"ab\",\"holes\":[{\"start\":1}],\"draft\":4}", "draft needs lossless"},
        {"{\"text\":\"ab\",\"holes\":[{\"start\":1}],\"lossless\":true,\"draft\":0}", "draft"},
        {"{\"text\":\"ab\",\"holes\":[{\"start\":1}],\"block\":4}", "block needs rule bd3"},
        {"{\"text\":\"ab\",\"holes\":[{\"start\":1}],\"rule\":\"bd3\",\"block\":0}", "block"},
        {"{\"text\":\"ab\",\"holes\":[{\"start\":1}],\"gamma\":1}", "gamma needs order entropy"},
        {"{\"text\":\"ab\",\"holes\":[{\"start\":1}],\"candidates\":0}", "candidates"},
        {"{\"text\":\"ab\",\"holes\":[{\"start\":1}],\"steps\":0}", "steps"},
        {"{\"text\":\"ab\",\"holes\":[{\"start\":1}],\"lossless\":true,\"alpha0\":0.5}", "alpha0 cannot be used with lossless"},
        {"{\"text\":\"ab\",\"holes\":[{\"start\":1}],\"lossless\":true,\"steps\":2}", "steps cannot be used with lossless"},
        {"{\"text\":\"ab\",\"holes\":[{\"start\":1}],\"lossless\":true,\"order\":\"random\"}", "order cannot be used with lossless"},
        {"{\"text\":\"ab\",\"holes\":[{\"start\":1}],\"rule\":\"mdlm\",\"heal\":true}", "heal cannot be used with rule mdlm"},
        {"{\"text\":\"ab\",\"holes\":[{\"start\":1}],\"rule\":\"bd3\",\"order\":\"margin\"}", "order left, random or stride"},
        {"{\"text\":\"ab\",\"holes\":[{\"start\":1,\"min_tokens\":20}]}", "min_tokens 20 is more than max_tokens 16"},
        {"{\"text\":\"ab\",\"holes\":[{\"start\":1,\"node\":1}]}", "holes[0]: node"},
        {"{\"text\":\"ab\",\"holes\":[{\"node\":-1}]}", "holes[0]: node"},
        {"{\"text\":\"ab\",\"holes\":[{\"start\":1,\"regex\":3}]}", "holes[0]: regex"},
        {"{\"text\":\"ab\",\"holes\":[{\"start\":1,\"regex\":\"a\",\"choices\":[\"b\"]}]}", "holes[0]: a choice goes with no regex"},
        {"{\"text\":\"ab\",\"holes\":[{\"start\":1,\"choices\":\"ab\"}]}", "holes[0]: choices"},
        {"{\"text\":\"ab\",\"holes\":[{\"start\":1,\"ban\":[1]}]}", "holes[0]: ban[0]"},
        {"{\"text\":\"ab\",\"holes\":[{\"start\":1,\"temperature\":-1}]}", "holes[0]: temperature"},
        {"{\"text\":\"ab\",\"holes\":[{\"start\":1,\"begin\":\"a\"}]}", "holes[0]: begin: no such field"},
        {"{\"text\":\"ab\",\"holes\":[{\"start\":1}],\"lengths\":[]}", "lengths"},
        {"{\"text\":\"ab\",\"holes\":[{\"start\":1}],\"lengths\":[0]}", "lengths[0]"},
        {"{\"text\":\"ab\",\"holes\":[{\"start\":1}],\"lengths\":[2],\"max_tokens\":3}", "max_tokens"},
        {"{\"text\":\"ab\",\"holes\":[{\"start\":1}],\"syntax\":\"maybe\"}", "syntax"},
        {"{\"text\":\"ab\",\"holes\":[{\"start\":1}],\"syntax\":\"off\",\"repairs\":3}", "repairs cannot be used with syntax off"},
        {"{\"text\":\"ab\",\"holes\":[{\"start\":1}],\"syntax\":\"off\",\"grammar\":\"c\"}", "grammar cannot be used with syntax off"},
        {"{\"text\":\"ab\",\"holes\":[{\"start\":1}],\"explain\":1}", "explain"},
        {"{\"text\":\"ab\",\"holes\":[{\"start\":1,\"exact\":true}]}", "exact needs max_tokens"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(infill_code(bad[i].params, err), RPC_PARAMS);
        if (!strstr(err, bad[i].names)) fail_msg("'%s' does not name %s", err, bad[i].names);
    }
}

static void replies(void **state)
{
    (void)state;
    buf b = {0};
    json_t *id = json_string("a\"b");
    lacuna_error cause = {.code = LACUNA_E_LIMIT, .where = 7};
    rpc_put_error(&b, id, RPC_PARAMS, "too long", &cause);
    assert_string_equal(b.p, "{\"jsonrpc\":\"2.0\",\"id\":\"a\\\"b\",\"error\":{\"code\":-32602,\"message\":\"too long\",\"data\":"
                             "{\"code\":\"LIMIT\",\"where\":7}}}\n");
    buf_free(&b);
    rpc_begin_result(&b, NULL);
    assert_string_equal(b.p, "{\"jsonrpc\":\"2.0\",\"id\":null,\"result\":");
    buf_free(&b);
    json_decref(id);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(compact), cmocka_unit_test(not_utf8), cmocka_unit_test(utf8),
                                       cmocka_unit_test(requests), cmocka_unit_test(params), cmocka_unit_test(holes), cmocka_unit_test(rank), cmocka_unit_test(replies)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
