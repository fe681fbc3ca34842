/* Where the program itself lies: what is installed with it lies beside it. */
#ifndef COMMON_PLACE_H
#define COMMON_PLACE_H

/* The folder so many levels above the program's file (1: the one it is in), the caller's to free; NULL where there is none. */
char *place_above(int levels);

/* $XDG_DATA_HOME, or ~/.local/share; the caller's to free; NULL where neither is known. */
char *place_data(void);

#endif
