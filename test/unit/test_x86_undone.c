/* The objects of init functions that are gone, by what the exit function undoes (undone.c, inits.c). */
#include "object/x86_64/inits.h"
#include "object/x86_64/kin.h"
#include "object/x86_64/units.h"
#include "test_x86_fixture.h"

#define UNLIKELY  (TEXT + 0x200)
#define EXIT      (TEXT + 0x400)
#define FUNCTIONS 4
#define CALLS_MAX 512 /* that are looked at */
#define EXIT_SIZE 0x1000

/* The symbols: functions of .text, one every 0x20 bytes; one of .text.unlikely; and those of .exit.text. */
enum { A, B, C, D, RARE, LEAVE, AFTER };

static struct {
    uint32_t text, unlikely, exit, init;
    uint64_t called; /* where the exit function's next call is */
    struct restore restore;
    struct ends ends;
} undone;

/* A module whose objects end nowhere for sure but at the end of .text. */
static void start(void)
{
    static uint8_t code[EXIT_SIZE];
    memset(code, 0x90, sizeof(code));
    fixture_start();
    undone.text = fixture_text(code, FUNCTIONS * 0x20);
    undone.unlikely = fixture_section(".text.unlikely", UNLIKELY, SHF_EXECINSTR, code, 0x20);
    undone.exit = fixture_section(".exit.text", EXIT, SHF_EXECINSTR, code, EXIT_SIZE);
    undone.init = fixture_section(".init.text", INIT, SHF_EXECINSTR, "", 0);
    free(fixture.draft.sections[undone.init].data);
    fixture.draft.sections[undone.init].data = NULL;
    fixture.draft.sections[undone.init].in_memory = false;
    for (uint32_t i = 0; i < FUNCTIONS; i++)
        fixture_symbol((const char *[]){"a", "b", "c", "d"}[i], undone.text, i * 0x20, 0x20, STB_GLOBAL, STT_FUNC);
    fixture_symbol("rare", undone.unlikely, 0, 0x20, STB_GLOBAL, STT_FUNC);
    fixture_symbol("cleanup_module", undone.exit, 0, EXIT_SIZE - 0x10, STB_GLOBAL, STT_FUNC);
    fixture_symbol("another", undone.exit, EXIT_SIZE - 0x10, 0x10, STB_GLOBAL, STT_FUNC);
    fixture.module.exit = EXIT;
    fixture.context.shapes.objtool_per_object = true;
    undone.called = 0;
    cr_assert(ends_init(&undone.ends, FUNCTIONS));
}

static void forget(void)
{
    ends_free(&undone.ends);
    fixture_stop();
}

TestSuite(x86_undone, .init = start, .fini = forget);

static void again(void)
{
    forget();
    start();
}

/* The exit function calls; it asks for what `type` says. */
static void call(uint32_t type, enum draft_target_kind kind, uint32_t index, int64_t addend)
{
    draft_add_relocation(&fixture.draft, undone.exit, undone.called + 1, type,
                         (struct draft_target){kind, index, addend}, LKMFS_FROM_RESTORED);
    undone.called += 5;
}

/* It calls a function of the module that is called `name`. */
static void call_named(uint32_t symbol, const char *name)
{
    fixture.draft.symbols[symbol].name = name;
    call(R_X86_64_PLT32, DRAFT_TARGET_SYMBOL, symbol, -4);
}

static size_t narrow(struct piece *items, size_t count)
{
    struct pieces pieces = {items, count, count};
    cr_assert(restore_init(&undone.restore, &fixture.context, &fixture.draft));
    undone.restore.units = units_new(&undone.restore);
    cr_assert(undone.restore.units);
    units_settle(undone.restore.units);
    ends_index(&undone.ends);
    struct ties *ties = kin_ties(&undone.restore, undone.text, FUNCTIONS);
    cr_assert(ties);
    size_t settled = inits_narrow(&undone.restore, undone.text, &undone.ends, ties, &pieces);
    cr_assert_not(undone.restore.out_of_memory);
    ties_free(ties);
    restore_free(&undone.restore);
    return settled;
}

/* A piece of freed code, of which nothing is known. */
static struct piece unknown_piece(uint64_t start)
{
    return (struct piece){
        .section = undone.init, .start = start, .end = start + 0x10, .high = FUNCTIONS, .is_apart = true};
}

static void expect_piece(const struct piece *piece, uint32_t low, uint32_t high, const char *what)
{
    cr_expect(piece->low == low && piece->high == high, "%s: %u to %u, not %u to %u", what, piece->low, piece->high,
              low, high);
}

static void end_everywhere(void)
{
    for (uint32_t gap = 0; gap <= FUNCTIONS; gap++)
        undone.ends.does[gap] = true;
}

/* ---- which calls tell something ---- */

Test(x86_undone, init_function_is_of_the_object_of_what_is_undone)
{
    call_named(B, "b_exit");
    struct piece piece = unknown_piece(0);
    cr_assert_eq(narrow(&piece, 1), 0);
    expect_piece(&piece, 2, FUNCTIONS, "an object that may end behind b");
    cr_assert(piece.is_member);
    end_everywhere();
    cr_assert_eq(narrow(&piece, 1), 1);
    expect_piece(&piece, 2, 2, "an object that does");
    cr_assert_eq(narrow(&piece, 1), 0); /* it was settled before */
}

Test(x86_undone, ends_that_may_be_are_all_there_is_where_the_linker_merged_code)
{
    call_named(B, "b_exit");
    fixture.context.shapes.text_merged = true;
    fixture.context.shapes.objtool_per_object = false;
    undone.ends.can[2] = false;
    struct piece piece = unknown_piece(0);
    cr_assert_eq(narrow(&piece, 1), 1);
    expect_piece(&piece, 3, 3, "the first end behind b that can be");
}

Test(x86_undone, calls_that_tell_of_no_object)
{
    const struct {
        uint32_t type, kind, index;
        int64_t addend;
        bool is_told;
        const char *what;
    } cases[] = {
        {R_X86_64_PLT32, DRAFT_TARGET_SYMBOL, B, -4, true, "a global"},
        {R_X86_64_PC32, DRAFT_TARGET_SECTION, undone.text, 0x20 - 4, true, "a local"},
        {R_X86_64_PLT32, DRAFT_TARGET_SECTION, undone.text, 0x20 - 4, true, "a local in newer files"},
        {R_X86_64_32S, DRAFT_TARGET_SYMBOL, B, 0, false, "its address"},
        {R_X86_64_PLT32, DRAFT_TARGET_IMPORT, 0, -4, false, "another module's"},
        {R_X86_64_PC32, DRAFT_TARGET_SECTION, undone.text, 0x28 - 4, false, "the middle of a function"},
        {R_X86_64_PC32, DRAFT_TARGET_SECTION, undone.text, 0x1000, false, "what is not in the section"},
        {R_X86_64_PC32, DRAFT_TARGET_SECTION, undone.init, -4, false, "code that is gone"},
        {R_X86_64_PC32, DRAFT_TARGET_SYMBOL, AFTER + 1, -4, false, "what is in no section"},
    };
    const struct draft_symbol absolute = {.name = "absolute_exit", .section = DRAFT_NONE, .value = 0x20};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        end_everywhere();
        fixture.draft.symbols[A].name = "a_exit";
        fixture.draft.symbols[B].name = "b_exit";
        fixture.draft.symbols[C].name = "c_exit";
        draft_add_symbol(&fixture.draft, &absolute);
        fixture_symbol("gone_exit", undone.init, 0, 0x10, STB_GLOBAL, STT_FUNC);
        call(cases[i].type, cases[i].kind, cases[i].index, cases[i].addend);
        struct piece piece = unknown_piece(0);
        cr_expect_eq(narrow(&piece, 1), cases[i].is_told, "%s", cases[i].what);
        again();
    }
}

Test(x86_undone, calls_of_others_than_the_exit_function_tell_nothing)
{
    end_everywhere();
    undone.called = EXIT_SIZE - 0x10; /* in the function behind it */
    call_named(B, "b_exit");
    struct piece piece = unknown_piece(0);
    cr_assert_eq(narrow(&piece, 1), 0);
    undone.called = 0;
    call_named(B, "b_exit");
    fixture.module.exit = 0;
    cr_assert_eq(narrow(&piece, 1), 0, "a module that can't be unloaded");
    fixture.module.exit = EXPORT_KFREE;
    cr_assert_eq(narrow(&piece, 1), 0, "an exit function of the kernel");
    fixture.module.exit = INIT;
    cr_assert_eq(narrow(&piece, 1), 0, "an exit function that is gone");
    fixture.module.exit = EXIT;
    cr_assert_eq(narrow(&piece, 1), 1);
}

Test(x86_undone, names_tell_what_undoes)
{
    static const struct {
        const char *name, *kept;
        bool is_told;
    } cases[] = {
        {"x_uninit", "x_init_not", true},
        {"x_deinit", "init", true},
        {"exit_x", "x", true},
        {"x_fini", "x", true},
        {"unregister_x", "x", true},
        {"x_deregister_y", "x", true},
        {"x_cleanup", "x", true},
        {"shutdown", "x", true},
        {"x_free", "x", false},
        {"x_uninit", "x_init", false},
        {"x_exit_y", "x_setup_y", false},
        {"x_fini", "x_create", false},
        {"unregister_x", "register_x", false},
        {"x_cleanup", "x_add", false},
        {"x_shutdown", "x_start", false},
        {"x_exit_y", "x_setup_z", true},
        {"x_exit", "y_init", true},
        {"x_exit", "x_initialize", true},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        end_everywhere();
        fixture.draft.symbols[D].name = cases[i].kept;
        call_named(B, cases[i].name);
        struct piece piece = unknown_piece(0);
        cr_expect_eq(narrow(&piece, 1), cases[i].is_told, "%s where %s was kept", cases[i].name, cases[i].kept);
        again();
    }
}

Test(x86_undone, calls_beyond_the_limit_are_not_looked_at)
{
    for (size_t first = CALLS_MAX - 1; first <= CALLS_MAX; first++) {
        end_everywhere();
        for (size_t i = 0; i < first; i++)
            call_named(A, "a");
        for (size_t i = 0; i < CALLS_MAX; i++) /* more than there is room for */
            call_named(B, "b_exit");
        struct piece piece = unknown_piece(0);
        cr_expect_eq(narrow(&piece, 1), first < CALLS_MAX, "behind %zu others", first);
        again();
    }
}

/* ---- which of several ---- */

Test(x86_undone, surest_comes_first)
{
    static const struct {
        const char *names[2]; /* of a and c */
        uint32_t unsure;      /* the end that is not certain, 0 if all are */
        uint32_t gap;         /* of the object that gets the only piece */
    } cases[] = {
        {{"a_shutdown", "c_exit"}, 0, 3}, /* a sure name before one that often undoes something else */
        {{"a_exit", "c_shutdown"}, 0, 1},    {{"a_exit", "c_exit"}, 0, 1},
        {{"a_exit", "c_exit"}, 1, 3}, /* an object of which it is known where it ends */
        {{"a_cleanup", "c_shutdown"}, 1, 3},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        for (uint32_t first = 0; first < 2; first++) {
            end_everywhere();
            undone.ends.does[cases[i].unsure] = cases[i].unsure == 0;
            call_named(first ? C : A, cases[i].names[first]);
            call_named(first ? A : C, cases[i].names[!first]);
            struct piece piece = unknown_piece(0);
            cr_expect_eq(narrow(&piece, 1), 1);
            expect_piece(&piece, cases[i].gap, cases[i].gap, cases[i].names[0]);
            again();
        }
    }
}

Test(x86_undone, objects_take_the_nearest_piece_each)
{
    end_everywhere();
    call_named(A, "a_exit");
    call_named(D, "d_exit");
    struct piece pieces[] = {unknown_piece(0), unknown_piece(0x10), unknown_piece(0x20)};
    cr_assert_eq(narrow(pieces, 3), 2);
    expect_piece(&pieces[0], 1, 1, "the first piece");
    expect_piece(&pieces[1], 0, FUNCTIONS, "the one in the middle");
    expect_piece(&pieces[2], 4, 4, "the last piece");
}

Test(x86_undone, pieces_of_a_section_that_share_their_places_are_spread_evenly)
{
    static const struct {
        struct {
            bool is_init;
            uint32_t low, high;
        } pieces[3];
        uint32_t symbol; /* of the function that is undone */
        size_t taken;
    } cases[] = {
        {{{true, 0, 4}, {true, 0, 4}, {false, 0, 4}}, A, 0}, /* expected at 1 and 2 */
        {{{true, 0, 4}, {true, 0, 4}, {false, 0, 4}}, C, 1},
        {{{false, 0, 4}, {true, 0, 4}, {true, 0, 4}}, B, 2}, /* at 1 and 2 again */
        {{{true, 0, 4}, {true, 1, 4}, {false, 0, 4}}, C, 0}, /* both at 2 */
        {{{true, 0, 4}, {true, 0, 3}, {false, 0, 4}}, B, 0}, /* at 2 and 1 */
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct piece pieces[3];
        end_everywhere();
        call_named(cases[i].symbol, "x_exit");
        for (uint32_t k = 0; k < 3; k++) {
            pieces[k] = unknown_piece(k * 0x10);
            pieces[k].section = cases[i].pieces[k].is_init ? undone.init : undone.unlikely;
            pieces[k].low = cases[i].pieces[k].low;
            pieces[k].high = cases[i].pieces[k].high;
        }
        cr_expect_eq(narrow(pieces, 3), 1);
        for (size_t k = 0; k < 3; k++)
            cr_expect_eq(pieces[k].low == pieces[k].high, k == cases[i].taken, "piece %zu of case %zu", k, i);
        again();
    }
}

Test(x86_undone, object_that_undoes_twice_takes_one_piece)
{
    call_named(A, "a_exit");
    call_named(B, "b_exit"); /* maybe of the same object, as none is known to end before the end */
    struct piece pieces[] = {unknown_piece(0), unknown_piece(0x10)};
    cr_assert_eq(narrow(pieces, 2), 0);
    cr_assert_neq(pieces[0].low == 0, pieces[1].low == 0);
}

Test(x86_undone, pieces_that_cannot_be_are_left_alone)
{
    end_everywhere();
    call_named(B, "b_exit");
    struct piece pieces[] = {unknown_piece(0), unknown_piece(0), unknown_piece(0x10)};
    pieces[0].section = undone.unlikely; /* not of code that is gone */
    pieces[1].high = 1;                  /* of an object before */
    pieces[2].low = 3;                   /* of one behind */
    cr_assert_eq(narrow(pieces, 3), 0);
    expect_piece(&pieces[0], 0, FUNCTIONS, "a piece that was kept");
    expect_piece(&pieces[1], 0, 1, "a piece before");
    expect_piece(&pieces[2], 3, FUNCTIONS, "a piece behind");
}

/* ---- what is undone by a function outside of .text ---- */

/* The bounds of a piece, and whether the function before the first is of its object. */
struct bound {
    uint32_t low, high;
    bool is_member;
};

Test(x86_undone, pieces_of_one_object_know_all_of_each_other)
{
    static const struct {
        struct bound kept, gone, kept_then, gone_then;
        size_t settled;
    } cases[] = {
        {{1, 3, true}, {2, 4, false}, {2, 3, false}, {2, 3, false}, 0},
        {{1, 4, false}, {0, 3, true}, {1, 3, false}, {1, 3, false}, 0},
        {{2, 2, true}, {0, 4, false}, {2, 2, true}, {2, 2, true}, 1},
        {{1, 4, true}, {2, 2, false}, {2, 2, false}, {2, 2, false}, 1},
        {{2, 3, false}, {2, 4, true}, {2, 3, true}, {2, 3, true}, 0},
        {{2, 3, true}, {2, 4, false}, {2, 3, true}, {2, 3, true}, 0},
        {{2, 3, false}, {2, 4, false}, {2, 3, false}, {2, 3, false}, 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct piece pieces[] = {unknown_piece(0), unknown_piece(0)};
        const struct bound *before[] = {&cases[i].kept, &cases[i].gone};
        const struct bound *then[] = {&cases[i].kept_then, &cases[i].gone_then};
        pieces[0].section = undone.unlikely;
        for (size_t k = 0; k < 2; k++) {
            pieces[k].low = before[k]->low;
            pieces[k].high = before[k]->high;
            pieces[k].is_member = before[k]->is_member;
        }
        call_named(RARE, "rare_exit");
        cr_expect_eq(narrow(pieces, 2), cases[i].settled, "case %zu", i);
        for (size_t k = 0; k < 2; k++) {
            expect_piece(&pieces[k], then[k]->low, then[k]->high, k ? "the piece that is gone" : "the one kept");
            cr_expect_eq(pieces[k].is_member, then[k]->is_member, "piece %zu of case %zu", k, i);
        }
        again();
    }
}

Test(x86_undone, piece_is_of_one_object_only)
{
    end_everywhere();
    call_named(A, "a_exit");
    call_named(RARE, "rare_exit");
    struct piece pieces[] = {unknown_piece(0), unknown_piece(0)};
    pieces[0].section = undone.unlikely;
    cr_assert_eq(narrow(pieces, 2), 1);
    expect_piece(&pieces[0], 0, FUNCTIONS, "the other object, which found none");
    expect_piece(&pieces[1], 1, 1, "the piece that is gone");
}

Test(x86_undone, cold_part_of_merged_code_is_a_piece)
{
    fixture.context.shapes.text_merged = true;
    fixture.context.shapes.objtool_per_object = false;
    fixture.draft.symbols[C].name = "a.cold"; /* behind it lies what was .text.unlikely */
    call_named(D, "d_exit");
    struct piece pieces[] = {unknown_piece(0x40), unknown_piece(0)};
    pieces[0].section = undone.text;
    pieces[0].low = pieces[0].high = 1;
    cr_assert_eq(narrow(pieces, 2), 1);
    expect_piece(&pieces[1], 1, 1, "the piece that is gone");
}

Test(x86_undone, function_in_no_piece_tells_nothing)
{
    call_named(RARE, "rare_exit");
    struct piece piece = unknown_piece(0);
    cr_assert_eq(narrow(&piece, 1), 0);
    expect_piece(&piece, 0, FUNCTIONS, "the piece");
}
