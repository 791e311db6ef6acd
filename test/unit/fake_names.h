/*
 * fake_names.h - gives the functions of the lower layers other names, to be defined by fake_lower.h.
 *
 * Include it before everything else. Names, not link order, keep fake and true layers apart: helpers of other tests,
 * which are linked into every test program, call the true ones.
 */
#ifndef LKMFS_TEST_FAKE_NAMES_H
#define LKMFS_TEST_FAKE_NAMES_H

#define find_kernel                fake_find_kernel
#define lkmfs_builder_free         fake_builder_free
#define lkmfs_builder_new          fake_builder_new
#define lkmfs_exports_close        fake_exports_close
#define lkmfs_exports_find         fake_exports_find
#define lkmfs_exports_open         fake_exports_open
#define lkmfs_image_bytes_read     fake_image_bytes_read
#define lkmfs_image_close          fake_image_close
#define lkmfs_image_file_size      fake_image_file_size
#define lkmfs_image_format         fake_image_format
#define lkmfs_image_mtime          fake_image_mtime
#define lkmfs_image_open           fake_image_open
#define lkmfs_image_path           fake_image_path
#define lkmfs_image_ranges         fake_image_ranges
#define lkmfs_kernel_close         fake_kernel_close
#define lkmfs_kernel_facts         fake_kernel_facts
#define lkmfs_kernel_space         fake_kernel_space
#define lkmfs_kernel_symbols       fake_kernel_symbols
#define lkmfs_kernel_types         fake_kernel_types
#define lkmfs_module_load          fake_module_load
#define lkmfs_modules_at           fake_modules_at
#define lkmfs_modules_close        fake_modules_close
#define lkmfs_modules_count        fake_modules_count
#define lkmfs_modules_kernel       fake_modules_kernel
#define lkmfs_modules_open         fake_modules_open
#define lkmfs_modules_vermagic     fake_modules_vermagic
#define lkmfs_object_build         fake_object_build
#define lkmfs_object_bytes         fake_object_bytes
#define lkmfs_object_doubts        fake_object_doubts
#define lkmfs_object_free          fake_object_free
#define lkmfs_object_sections      fake_object_sections
#define lkmfs_object_symbol_counts fake_object_symbol_counts
#define lkmfs_object_take          fake_object_take
#define lkmfs_paging_name          fake_paging_name
#define lkmfs_provenance_name      fake_provenance_name
#define lkmfs_space_paging         fake_space_paging
#define lkmfs_space_root           fake_space_root
#define lkmfs_symbols_at           fake_symbols_at
#define lkmfs_symbols_count        fake_symbols_count
#define lkmfs_types_btf            fake_types_btf
#define lkmfs_types_field          fake_types_field
#define lkmfs_types_source         fake_types_source

#endif
