import "elf"

rule kernel_module
{
    condition:
        elf.type == elf.ET_REL and elf.machine == elf.EM_X86_64 and
        for any i in (0..elf.number_of_sections - 1) :
            (elf.sections[i].name == ".gnu.linkonce.this_module" and elf.sections[i].size > 0) and
        for any i in (0..elf.symtab_entries - 1) :
            (elf.symtab[i].name == "__this_module" and elf.symtab[i].bind == elf.STB_GLOBAL)
}
