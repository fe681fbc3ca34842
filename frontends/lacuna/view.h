/* The canvas on a terminal while it is filled: masks first, then the text slot by slot, in place.
 *
 * The view shows the lines around the holes, as many as fit on the screen, and draws only rows that
 * changed.  It never changes a mode of the terminal, and every frame ends with plain style: whenever the
 * process stops, the terminal is in order. */
#ifndef LACUNA_VIEW_H
#define LACUNA_VIEW_H

#include "common/buf.h"
#include "common/term.h"
#include "lacuna.h"

typedef struct view view;

/* Everything given must outlive the view.  holes: as given to lacuna_infill().  pace: milliseconds each picture
 * stands at least, for people who watch; a fill takes less time than an eye needs. */
view *view_open(const lacuna_model *m, lacuna_session *s, const char *text, size_t len, const lacuna_hole *holes,
                size_t n_holes, unsigned pace);
/* Draw the state of the session.  ev: the step just made, or NULL at the start of a request. */
void view_draw(view *v, const lacuna_event *ev);
/* Take the picture away (keep = 0), or leave it and go to a new line; free the view. */
void view_close(view *v, int keep);

/* Can standard output show a view at all? */
int view_possible(void);

#endif
