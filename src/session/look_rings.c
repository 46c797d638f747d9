/* SPDX-License-Identifier: Unlicense
 *
 * What waits in the rings of a member. The same rules as in collector/view.c, which maps them.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "session/look.h"
#include "shm/codec.h"
#include "shm/segment.h"
#include "shm/slot.h"

#define WINDOW_BYTES 16384u /* of a ring that are read at a time: on the stack */

struct segment_file {
    int fd;
    uint64_t size;
    uint64_t work_left; /* bytes of rings that may be read: rings that overlap are damaged */
    const struct mpl_look *look;
    struct mpl_look_member *member;
};

static bool read_at(const struct segment_file *f, uint64_t offset, void *bytes, size_t n)
{
    return offset <= f->size && n <= f->size - offset && pread(f->fd, bytes, n, (off_t)offset) == (ssize_t)n;
}

static uint64_t load(const _Atomic uint64_t *word) { return atomic_load_explicit(word, memory_order_relaxed); }

/* The copy of two that is in force: the one with the highest tag that is decided. */
static int in_force(const struct mpl_look *l, uint64_t tag0, uint64_t tag1)
{
    if (tag0 > l->batch_seq || tag1 > l->batch_seq)
        return tag0 > l->batch_seq ? 1 : 0;
    return tag1 > tag0 ? 1 : 0;
}

static void add_losses(struct mpl_look_member *m, const _Atomic uint64_t *lost, const uint64_t *told, int first, int n)
{
    for (int i = 0; i < n; i++) {
        uint64_t now = load(&lost[i]);
        m->lost[first + i] += now > told[i] ? now - told[i] : 0;
    }
}

/* ---- records ---- */

struct walk {
    struct segment_file *file;
    uint64_t data_offset, data_bytes, pos, head;
};

/* Counts the record at `at`, of which `room` bytes are there to be looked at. Returns its size; 0: it is none, or does
 * not begin here. */
static uint64_t count_record(struct walk *w, const char *at, uint64_t room)
{
    struct mpl_look_member *m = w->file->member;
    struct mpl_record_head head;
    uint64_t to_end = w->data_bytes - (w->pos & (w->data_bytes - 1)), left = w->head - w->pos;
    memcpy(&head.kind_words, at, sizeof head.kind_words);
    uint64_t bytes = mpl_bytes_of(head.kind_words);
    uint32_t kind = mpl_kind_of(head.kind_words);
    if (bytes == 0 || bytes > to_end || bytes > left)
        return 0;
    if (kind == MPL_RECORD_PAD)
        return bytes;
    if (bytes < sizeof head || room < sizeof head)
        return 0;
    memcpy(&head, at, sizeof head);
    if (m->oldest_stamp == 0 || head.stamp < m->oldest_stamp)
        m->oldest_stamp = head.stamp;
    m->records += kind != MPL_RECORD_NAMES;
    return bytes;
}

/* The records that begin in the next window. False: there are no more, or what is there is no record. */
static bool walk_window(struct walk *w)
{
    char window[WINDOW_BYTES];
    uint64_t offset = w->pos & (w->data_bytes - 1), n = w->data_bytes - offset, left = w->head - w->pos;
    n = n < left ? n : left;
    n = n < sizeof window ? n : sizeof window;
    if (left == 0 || n > w->file->work_left || !read_at(w->file, w->data_offset + offset, window, n))
        return false;
    w->file->work_left -= n;
    uint64_t begin = w->pos;
    while (w->pos - begin < n) {
        uint64_t at = w->pos - begin;
        bool is_cut = n == sizeof window && n - at < sizeof(struct mpl_record_head) && at > 0;
        if (is_cut)
            return true; /* it begins the next one */
        uint64_t bytes = count_record(w, window + at, n - at);
        if (bytes == 0)
            return false;
        w->pos += bytes;
    }
    return true;
}

static void take_name(struct mpl_look_member *m, const struct mpl_names *n)
{
    if (load(&n->tag) == 0 || n->process_len > MPL_NAME_MAX)
        return;
    memcpy(m->name, n->text, n->process_len);
    m->name[n->process_len] = '\0';
}

/* Returns the offset of the next ring; 0: there is none. */
static uint64_t count_ring(struct segment_file *f, uint64_t offset)
{
    struct mpl_ring r;
    struct mpl_look_member *m = f->member;
    if (!read_at(f, offset, &r, sizeof r) || r.magic != MPL_RING_MAGIC || r.data_bytes < MPL_PAGE_BYTES ||
        (r.data_bytes & (r.data_bytes - 1)) != 0 || r.data_offset != offset + MPL_PAGE_BYTES)
        return 0;
    const struct mpl_ring_progress *p =
        &r.progress[in_force(f->look, load(&r.progress[0].tag), load(&r.progress[1].tag))];
    uint64_t read_pos = load(&r.read_pos);
    bool has_progress = load(&p->tag) <= f->look->batch_seq;
    struct walk w = {f, r.data_offset, r.data_bytes, read_pos, load(&r.write_pos)};
    if (has_progress && p->read_pos > read_pos)
        w.pos = p->read_pos; /* decided, and not told */
    m->rings++;
    m->threads += atomic_load_explicit(&r.state, memory_order_relaxed) == MPL_RING_OPEN;
    take_name(m, &r.names[in_force(f->look, load(&r.names[0].tag), load(&r.names[1].tag))]);
    add_losses(m, r.lost, p->lost_reported, MPL_LOSS_FULL, MPL_RING_LOSSES);
    if (w.head > w.pos && w.head - w.pos <= w.data_bytes && (w.head & 7) == 0 && (w.pos & 7) == 0) {
        m->bytes += w.head - w.pos;
        while (walk_window(&w))
            ;
    }
    return load(&r.next_offset);
}

static void count_segment(struct segment_file *f)
{
    struct mpl_segment s;
    if (!read_at(f, 0, &s, sizeof s) || s.magic != MPL_SEGMENT_MAGIC || s.abi_version != MPL_ABI_VERSION)
        return;
    int k = in_force(f->look, load(&s.progress[0].tag), load(&s.progress[1].tag));
    add_losses(f->member, s.lost, s.progress[k].lost_reported, MPL_LOSS_NESTED, MPL_SEGMENT_LOSSES);
    uint64_t offset = load(&s.first_ring_offset), before = 0;
    while (offset > before) { /* a chain that goes back is damaged, and could be endless */
        before = offset;
        offset = count_ring(f, offset);
    }
}

bool mpl_look_member(const struct mpl_look *l, uint32_t i, struct mpl_look_member *m)
{
    const struct mpl_slot *slot = &l->control->slot[i];
    uint64_t word = load(&slot->word);
    char name[MPL_SEGMENT_NAME_MAX];
    struct stat st;
    *m = (struct mpl_look_member){
        .pid = (uint32_t)mpl_slot_pid(word), .state = mpl_slot_state(word), .is_alive = l->is_alive[i]};
    if (m->state == MPL_SLOT_FREE || m->state > MPL_SLOT_LEAVING)
        return false;
    mpl_segment_name(name, load(&slot->segment_serial));
    bool is_borrowed = l->own && l->own->slot == i && l->own->segment_fd >= 0;
    int fd = is_borrowed ? l->own->segment_fd : mpl_dir_open_file(l->dir_fd, name, O_RDONLY);
    struct segment_file f = {.fd = fd, .look = l, .member = m};
    if (f.fd >= 0 && fstat(f.fd, &st) == 0) {
        f.size = (uint64_t)st.st_size;
        f.work_left = 2 * f.size; /* windows overlap a little */
        count_segment(&f);
    }
    if (fd >= 0 && !is_borrowed)
        close(fd);
    return true;
}
