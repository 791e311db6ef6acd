/* The parts of which the order of objects is concluded: ties, ends and references. */
#include <criterion/criterion.h>

#include "object/x86_64/ends.h"
#include "object/x86_64/references.h"
#include "object/x86_64/ties.h"

/* ---- ties ---- */

static struct bounds bounds_of(const struct ties *ties, uint32_t line, uint64_t place)
{
    return ties_bounds(ties, (struct tie_end){line, place});
}

Test(x86_ties, what_lies_between_ties_is_bounded_by_them)
{
    struct ties *ties = ties_new(0, 10);
    cr_assert(ties_add(ties, (struct tie_end){1, 100}, (struct tie_end){0, 3}));
    cr_assert(ties_add(ties, (struct tie_end){0, 7}, (struct tie_end){1, 200}));
    cr_assert(ties_settle(ties));
    struct bounds between = bounds_of(ties, 1, 150), before = bounds_of(ties, 1, 50), other = bounds_of(ties, 2, 150);
    cr_assert(between.low == 4 && between.high == 7);
    cr_assert(before.low == 0 && before.high == 3);
    cr_assert(other.low == 0 && other.high == 10);
    cr_assert_not(ties_joined(ties, 4));
    ties_free(ties);
}

Test(x86_ties, contrary_order_makes_one_object_of_all_between)
{
    struct ties *ties = ties_new(0, 10);
    cr_assert(ties_add(ties, (struct tie_end){0, 2}, (struct tie_end){1, 200}));
    cr_assert(ties_add(ties, (struct tie_end){0, 5}, (struct tie_end){1, 100}));
    cr_assert(ties_add(ties, (struct tie_end){2, 9}, (struct tie_end){1, 150})); /* by way of another line */
    cr_assert(ties_settle(ties));
    for (uint32_t place = 0; place <= 10; place++)
        cr_assert_eq(ties_joined(ties, place), place >= 3 && place <= 5, "%u", place);
    struct bounds tied = bounds_of(ties, 2, 9);
    cr_assert(tied.low == 6 && tied.high == 2);
    ties_free(ties);
}

Test(x86_ties, many_ties_in_any_order)
{
    enum { COUNT = 3000 };
    struct ties *ties = ties_new(7, COUNT);
    for (uint32_t i = 0; i < COUNT; i++) {
        uint32_t place = i * 1009 % COUNT; /* each once */
        cr_assert(ties_add(ties, (struct tie_end){place % 3, (uint64_t)place << 8}, (struct tie_end){7, place}));
    }
    cr_assert(ties_settle(ties));
    for (uint32_t place = 0; place < COUNT; place++) {
        struct bounds bounds = bounds_of(ties, place % 3, (uint64_t)place << 8);
        cr_assert(bounds.low == place + 1 && bounds.high == place, "%u", place);
        bounds = bounds_of(ties, (place + 1) % 3, (uint64_t)place << 8); /* between two others of that line */
        cr_assert_leq(bounds.low, place);
        cr_assert_geq(bounds.high, place);
    }
    ties_free(ties);
}

Test(x86_ties, ties_of_nothing)
{
    struct ties *ties = ties_new(0, 0);
    cr_assert(ties_settle(ties));
    struct bounds bounds = bounds_of(ties, 0, 5);
    cr_assert(bounds.low == 0 && bounds.high == 0);
    ties_free(ties);
}

/* ---- ends ---- */

Test(x86_ties, ends_are_found_from_any_gap)
{
    struct ends ends;
    cr_assert(ends_init(&ends, 6));
    ends_index(&ends);
    cr_assert_not(ends_are_many(&ends));
    ends.can[2] = ends.can[3] = false;
    ends.does[4] = true;
    ends_index(&ends);
    cr_assert(ends_are_many(&ends));
    cr_assert_eq(ends.next_can[2], 4);
    cr_assert_eq(ends.last_can[3], 1);
    cr_assert_eq(ends.next_does[1], 4);
    cr_assert_eq(ends.next_does[5], 6);
    ends_free(&ends);
}

/* ---- references ---- */

Test(x86_ties, end_of_an_array_is_no_reference_to_what_follows)
{
    struct references references = {0};
    const struct reference list[] = {
        {0, 1, 7, 7, true, 0x1080, 0x10a0}, /* begins where the array below ends */
        {0, 1, 3, 3, true, 0x1000, 0x1080},  {0, 1, 3, 3, true, 0x1000, 0x1080},
        {0, 2, 7, 7, true, 0x1080, 0x10a0},  /* another function does mean it */
        {0, 3, 0, 0, false, 0x2000, 0x2010}, /* no local symbol, but an array all the same */
        {0, 3, 9, 9, true, 0x2010, 0x2018},
    };
    for (size_t i = 0; i < sizeof(list) / sizeof(*list); i++)
        cr_assert(references_add(&references, &list[i]));
    references_drop_ends(&references);
    cr_assert_eq(references.count, 2);
    cr_assert(references.items[0].function == 1 && references.items[0].first == 3);
    cr_assert(references.items[1].function == 2 && references.items[1].first == 7);
    references_free(&references);
}
