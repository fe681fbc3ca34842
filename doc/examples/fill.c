#include <lacuna.h>
#include <stdio.h>

int main(void)
{
    const char text[] = "int add(int a, int b)\n{\n    return ;\n}\n";
    lacuna_hole hole = {.span = {35, 35}, .max_tokens = 6, .one_line = 1};
    lacuna_infill_options opt = {LACUNA_INFILL_INIT, .tag = "c"};
    lacuna_model *m; lacuna_session *s = NULL; lacuna_error err; lacuna_text fill; const lacuna_event *ev;
    int r = lacuna_model_open(&m, "models/default/default.gguf", NULL, &err);
    if (r == 0) r = lacuna_session_open(&s, m, NULL, &err);
    if (r == 0) r = lacuna_infill(s, text, sizeof text - 1, &hole, 1, &opt, &err);
    while (r >= 0 && (r = lacuna_step(s, &ev, &err)) > 0) printf("step %zu, %zu slots open\n", ev->step, ev->n_open);
    if (r == 0 && (r = lacuna_fill(s, 0, &fill, &err)) == 0) printf("fill: '%.*s'\n", (int)fill.len, fill.bytes);
    lacuna_session_free(s); lacuna_model_free(m);
    return r < 0 ? puts(err.msg), 1 : 0;
}
