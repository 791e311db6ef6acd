#include <criterion/criterion.h>
#include <jansson.h>
#include <stdlib.h>

#include "fs/escape.h"
#include "fs/words.h"

static void check(const char *raw, const char *text, const char *html)
{
    char *escaped = escape_text(raw), *page = escape_html(raw);
    cr_assert_str_eq(escaped, text);
    cr_assert_str_eq(page, html);
    json_t *string = json_string(escaped);
    cr_assert(string, "no valid UTF-8: %s", escaped);
    json_decref(string);
    free(escaped);
    free(page);
}

Test(fs_escape, plain_text)
{
    check("", "", "");
    check("snd_hda_intel", "snd_hda_intel", "snd_hda_intel");
    check("a b", "a b", "a b");
    check("\xc3\xbc\xe2\x82\xac\xf0\x9f\x90\xa7", "\xc3\xbc\xe2\x82\xac\xf0\x9f\x90\xa7",
          "\xc3\xbc\xe2\x82\xac\xf0\x9f\x90\xa7");
}

Test(fs_escape, what_a_terminal_or_page_acts_upon)
{
    check("\x1b[31m\n\t\x7f", "\\x1b[31m\\x0a\\x09\\x7f", "\\x1b[31m\\x0a\\x09\\x7f");
    check("a\\x41", "a\\\\x41", "a\\\\x41");
    check("<a href=\"x\">'&'", "<a href=\"x\">'&'", "&lt;a href=&quot;x&quot;&gt;&#39;&amp;&#39;");
    check("\xc2\x9b", "\\xc2\\x9b", "\\xc2\\x9b");                             /* C1 control */
    check("\xe2\x80\xae", "\\xe2\\x80\\xae", "\\xe2\\x80\\xae");               /* right-to-left override */
    check("\xe2\x80\x8b", "\\xe2\\x80\\x8b", "\\xe2\\x80\\x8b");               /* zero width */
    check("\xef\xbb\xbf", "\\xef\\xbb\\xbf", "\\xef\\xbb\\xbf");               /* byte order mark */
    check("\xf3\xa0\x81\x81", "\\xf3\\xa0\\x81\\x81", "\\xf3\\xa0\\x81\\x81"); /* tag character */
}

Test(fs_escape, what_is_no_utf8)
{
    check("\xff", "\\xff", "\\xff");
    check("a\x80z", "a\\x80z", "a\\x80z");
    check("\xc3", "\\xc3", "\\xc3");                                           /* cut */
    check("\xe2\x82", "\\xe2\\x82", "\\xe2\\x82");                             /* cut */
    check("\xc0\xaf", "\\xc0\\xaf", "\\xc0\\xaf");                             /* not the shortest form of / */
    check("\xed\xa0\x80", "\\xed\\xa0\\x80", "\\xed\\xa0\\x80");               /* surrogate */
    check("\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80", "\\xf4\\x90\\x80\\x80"); /* above U+10FFFF */
}

Test(fs_escape, every_byte_pair)
{
    for (unsigned first = 1; first < 256; first++) {
        for (unsigned second = 1; second < 256; second++) {
            const char raw[] = {(char)first, (char)second, 0};
            char *escaped = escape_text(raw);
            json_t *string = json_string(escaped);
            cr_assert(string);
            for (const char *c = escaped; *c; c++)
                cr_assert((unsigned char)*c >= 0x20 && *c != 0x7f);
            json_decref(string);
            free(escaped);
        }
    }
}

Test(fs_words, taints_and_traces)
{
    char letters[WORDS_TAINT_SIZE], traces[WORDS_TRACE_SIZE];
    words_taint_letters(0, letters);
    cr_assert_str_eq(letters, "-");
    words_taint_letters(UINT64_MAX, letters);
    cr_assert_str_eq(letters, "PFSRMBUDAWCIOELKXTNJ?");
    words_traces(0, traces);
    cr_assert_str_eq(traces, "-");
    words_traces(LKMFS_TRACE_SCAN | LKMFS_TRACE_LATCH, traces);
    cr_assert_str_eq(traces, "scan,latch");
    words_traces(~0u, traces);
    cr_assert_str_eq(traces, "list,scan,latch");
    cr_assert_null(words_state(4));
    cr_assert_null(words_taint(20));
}
