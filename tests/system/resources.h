/* SPDX-License-Identifier: Unlicense
 *
 * What a process has: entries of folders and lines of files in /proc.
 */
#ifndef SYSTEM_RESOURCES_H
#define SYSTEM_RESOURCES_H

#include <dirent.h>
#include <stdio.h>

static inline int count_entries(const char *path)
{
    DIR *dir = opendir(path);
    int n = 0;
    for (const struct dirent *e; dir && (e = readdir(dir)) != NULL;)
        n += e->d_name[0] != '.'; /* "." and ".." */
    if (dir)
        closedir(dir);
    return n;
}

static inline int count_lines(const char *path)
{
    FILE *f = fopen(path, "re");
    int n = 0;
    for (int c; f && (c = getc(f)) != EOF;)
        n += c == '\n';
    if (f)
        fclose(f);
    return n;
}

#endif
