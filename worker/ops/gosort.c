/* SPDX-License-Identifier: Apache-2.0 */
/*
 * After Orson Peters' pattern-defeating quicksort (arXiv 2106.05123) with the constants of Go's,
 * and SymMerge (Kim and Kutzner, ESA 2004). Ranges are [a, b).
 */
#include "worker/ops/gosort.h"

#include <stdint.h>

#define INSERTION_MAX 12 /* ranges up to this length are sorted by insertion */
#define NINTHER_MIN   50 /* from this length on the pivot is a median of medians */
#define SHIFT_MIN     50 /* shorter ranges are not mended by shifting */
#define SHIFTS_MAX    5
#define SWAPS_MAX     12 /* of choose_pivot: all comparisons found the wrong order */
#define BLOCK         20 /* of the stable sort */

static bool less(const struct sa_sort *s, size_t i, size_t j)
{
    return s->less(s->arg, i, j);
}

static void swap(const struct sa_sort *s, size_t i, size_t j)
{
    s->swap(s->arg, i, j);
}

static unsigned bits(size_t n)
{
    unsigned k = 0;
    for (; n > 0; n >>= 1) {
        k++;
    }
    return k;
}

static void insertion(const struct sa_sort *s, size_t a, size_t b)
{
    for (size_t i = a + 1; i < b; i++) {
        for (size_t j = i; j > a && less(s, j, j - 1); j--) {
            swap(s, j, j - 1);
        }
    }
}

static void sift_down(const struct sa_sort *s, size_t root, size_t end, size_t first)
{
    for (;;) {
        size_t child = 2 * root + 1;
        if (child >= end) {
            return;
        }
        if (child + 1 < end && less(s, first + child, first + child + 1)) {
            child++;
        }
        if (!less(s, first + root, first + child)) {
            return;
        }
        swap(s, first + root, first + child);
        root = child;
    }
}

static void heap(const struct sa_sort *s, size_t a, size_t b)
{
    size_t n = b - a;
    for (size_t i = (n - 1) / 2 + 1; i-- > 0;) {
        sift_down(s, i, n, a);
    }
    for (size_t i = n; i-- > 0;) {
        swap(s, a, a + i);
        sift_down(s, 0, i, a);
    }
}

static void order_two(const struct sa_sort *s, size_t *x, size_t *y, unsigned *swaps)
{
    if (less(s, *y, *x)) {
        size_t t = *x;
        *x = *y;
        *y = t;
        ++*swaps;
    }
}

static size_t median(const struct sa_sort *s, size_t x, size_t y, size_t z, unsigned *swaps)
{
    order_two(s, &x, &y, swaps);
    order_two(s, &y, &z, swaps);
    order_two(s, &x, &y, swaps);
    return y;
}

/* For ranges longer than INSERTION_MAX. */
static size_t choose_pivot(const struct sa_sort *s, size_t a, size_t b, unsigned *swaps)
{
    size_t n = b - a, i = a + n / 4, j = a + n / 4 * 2, k = a + n / 4 * 3;
    *swaps = 0;
    if (n >= NINTHER_MIN) {
        i = median(s, i - 1, i, i + 1, swaps);
        j = median(s, j - 1, j, j + 1, swaps);
        k = median(s, k - 1, k, k + 1, swaps);
    }
    return median(s, i, j, k, swaps);
}

static void break_patterns(const struct sa_sort *s, size_t a, size_t b)
{
    size_t n = b - a, mask = ((size_t)1 << bits(n)) - 1, middle = a + n / 4 * 2;
    uint64_t random = n;
    for (size_t i = middle - 1; i <= middle + 1; i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        size_t other = (size_t)random & mask;
        swap(s, i, a + (other >= n ? other - n : other));
    }
}

static void reverse(const struct sa_sort *s, size_t a, size_t b)
{
    for (size_t i = a, j = b - 1; i < j; i++, j--) {
        swap(s, i, j);
    }
}

/* The smaller of a pair at i goes left, the greater right, as far as they belong. */
static void shift(const struct sa_sort *s, size_t a, size_t i, size_t b)
{
    swap(s, i, i - 1);
    if (i - a >= 2) {
        for (size_t j = i - 1; j >= 1 && less(s, j, j - 1); j--) {
            swap(s, j, j - 1);
        }
    }
    if (b - i >= 2) {
        for (size_t j = i + 1; j < b && less(s, j, j - 1); j++) {
            swap(s, j, j - 1);
        }
    }
}

/* A range that is nearly sorted is mended; true if it is sorted at the end. */
static bool mend(const struct sa_sort *s, size_t a, size_t b)
{
    size_t i = a + 1;
    for (int k = 0; k < SHIFTS_MAX; k++) {
        while (i < b && !less(s, i, i - 1)) {
            i++;
        }
        if (i == b) {
            return true;
        }
        if (b - a < SHIFT_MIN) {
            return false;
        }
        shift(s, a, i, b);
    }
    return false;
}

/* What equals the pivot, which nothing in the range is below, goes in front; returns its end. The
 * indices count from 1 up: *j may come to be i - 1, never below a. */
static size_t partition_equal(const struct sa_sort *s, size_t a, size_t b, size_t pivot)
{
    swap(s, a, pivot);
    size_t i = a + 1, j = b - 1;
    for (;;) {
        while (i <= j && !less(s, a, i)) {
            i++;
        }
        while (i <= j && less(s, a, j)) {
            j--;
        }
        if (i > j) {
            return i;
        }
        swap(s, i++, j--);
    }
}

/* What is below the pivot goes in front of it; returns where it is then. *already: it was so. */
static size_t partition(const struct sa_sort *s, size_t a, size_t b, size_t pivot, bool *already)
{
    swap(s, a, pivot);
    size_t i = a + 1, j = b - 1;
    *already = true;
    for (;;) {
        while (i <= j && less(s, i, a)) {
            i++;
        }
        while (i <= j && !less(s, j, a)) {
            j--;
        }
        if (i > j) {
            break;
        }
        *already = false;
        swap(s, i++, j--);
    }
    swap(s, j, a);
    return j;
}

struct state {
    size_t a, b;
    unsigned limit; /* bad pivots left before the heap takes over */
    bool balanced, partitioned;
};

static void quick(const struct sa_sort *s, struct state t);

/* The shorter side is sorted, the longer one is left in t. */
static void split(const struct sa_sort *s, struct state *t, size_t pivot)
{
    size_t n = t->b - t->a;
    size_t mid = partition(s, t->a, t->b, pivot, &t->partitioned);
    size_t left = mid - t->a, right = t->b - mid;
    struct state side = {.limit = t->limit, .balanced = true, .partitioned = true};
    if (left < right) {
        t->balanced = left >= n / 8;
        side.a = t->a;
        side.b = mid;
        quick(s, side);
        t->a = mid + 1;
    } else {
        t->balanced = right >= n / 8;
        side.a = mid + 1;
        side.b = t->b;
        quick(s, side);
        t->b = mid;
    }
}

/* Recurses on the shorter side alone: as deep as the logarithm of the length. */
static void quick(const struct sa_sort *s, struct state t)
{
    while (t.b - t.a > INSERTION_MAX) {
        if (t.limit == 0) {
            heap(s, t.a, t.b);
            return;
        }
        if (!t.balanced) {
            break_patterns(s, t.a, t.b);
            t.limit--;
        }
        unsigned swaps;
        size_t pivot = choose_pivot(s, t.a, t.b, &swaps);
        if (swaps == SWAPS_MAX) {
            reverse(s, t.a, t.b);
            pivot = (t.b - 1) - (pivot - t.a);
            swaps = 0;
        }
        if (t.balanced && t.partitioned && swaps == 0 && mend(s, t.a, t.b)) {
            return;
        }
        if (t.a > 0 && !less(s, t.a - 1, pivot)) {
            t.a = partition_equal(s, t.a, t.b, pivot);
            continue;
        }
        split(s, &t, pivot);
    }
    insertion(s, t.a, t.b);
}

void sa_sort(const struct sa_sort *s, size_t n)
{
    if (n > 1) {
        quick(s, (struct state){.b = n, .limit = bits(n), .balanced = true, .partitioned = true});
    }
}

static void swap_ranges(const struct sa_sort *s, size_t a, size_t b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        swap(s, a + i, b + i);
    }
}

/* [a, m) and [m, b) change places. */
static void rotate(const struct sa_sort *s, size_t a, size_t m, size_t b)
{
    size_t i = m - a, j = b - m;
    while (i != j) {
        if (i > j) {
            swap_ranges(s, m - i, m, j);
            i -= j;
        } else {
            swap_ranges(s, m - i, m + j - i, i);
            j -= i;
        }
    }
    swap_ranges(s, m - i, m, i);
}

/* The one element at a goes into the sorted [a + 1, b). */
static void insert_first(const struct sa_sort *s, size_t a, size_t b)
{
    size_t i = a + 1, j = b;
    while (i < j) {
        size_t h = (i + j) / 2;
        if (less(s, h, a)) {
            i = h + 1;
        } else {
            j = h;
        }
    }
    for (size_t k = a; k + 1 < i; k++) {
        swap(s, k, k + 1);
    }
}

/* The one element at m goes into the sorted [a, m). */
static void insert_last(const struct sa_sort *s, size_t a, size_t m)
{
    size_t i = a, j = m;
    while (i < j) {
        size_t h = (i + j) / 2;
        if (!less(s, m, h)) {
            i = h + 1;
        } else {
            j = h;
        }
    }
    for (size_t k = m; k > i; k--) {
        swap(s, k, k - 1);
    }
}

/* Merges the sorted [a, m) and [m, b), neither empty; halves the range with each recursion. */
static void sym_merge(const struct sa_sort *s, size_t a, size_t m, size_t b)
{
    if (m - a == 1) {
        insert_first(s, a, b);
        return;
    }
    if (b - m == 1) {
        insert_last(s, a, m);
        return;
    }
    size_t mid = (a + b) / 2, n = mid + m;
    size_t start = m > mid ? n - b : a, r = m > mid ? mid : m;
    while (start < r) {
        size_t c = (start + r) / 2;
        if (!less(s, n - 1 - c, c)) {
            start = c + 1;
        } else {
            r = c;
        }
    }
    size_t end = n - start;
    if (start < m && m < end) {
        rotate(s, start, m, end);
    }
    if (a < start && start < mid) {
        sym_merge(s, a, start, mid);
    }
    if (mid < end && end < b) {
        sym_merge(s, mid, end, b);
    }
}

void sa_sort_stable(const struct sa_sort *s, size_t n)
{
    size_t a = 0;
    for (; n - a >= BLOCK; a += BLOCK) {
        insertion(s, a, a + BLOCK);
    }
    insertion(s, a, n);
    for (size_t block = BLOCK; block < n; block *= 2) {
        for (a = 0; n - a >= 2 * block; a += 2 * block) {
            sym_merge(s, a, a + block, a + 2 * block);
        }
        if (n - a > block) {
            sym_merge(s, a, a + block, n);
        }
    }
}
