"""What the guests try to load, by kind. A kernel that lacks one, or hardware it insists on, just skips it."""


def _names(*groups: str) -> tuple[str, ...]:
    return tuple(name for group in groups for name in group.split())


_VIRTIO = "virtio_pci virtio_blk virtio_net virtio_rng virtio_console virtio_scsi virtio_balloon virtio_mmio"

_FILESYSTEMS = """
    ext4 xfs btrfs f2fs jfs nilfs2 reiserfs ocfs2 gfs2 minix ufs hfs hfsplus fat vfat exfat ntfs3 msdos isofs udf
    squashfs erofs cramfs romfs overlay fuse virtiofs cuse autofs4 configfs efivarfs binfmt_misc
    nfs nfsv3 nfsv4 nfsd cifs ksmbd ceph 9p afs nls_utf8 nls_cp437 nls_iso8859-1 quota_v2 dlm"""

_BLOCK = """
    loop brd nbd zram null_blk dm-mod dm-crypt dm-integrity dm-verity dm-thin-pool dm-cache dm-cache-smq dm-snapshot
    dm-mirror dm-raid dm-multipath dm-round-robin dm-writecache dm-zero dm-delay dm-flakey dm-era
    raid0 raid1 raid10 raid456 linear bcache bfq kyber-iosched scsi_mod sd_mod sr_mod sg st scsi_debug
    iscsi_tcp libsas nvme nvme-tcp nvmet nvmet-tcp libata ata_piix ahci rbd drbd aoe target_core_mod libnvdimm"""

_NET = """
    bridge br_netfilter 8021q bonding team team_mode_roundrobin dummy ifb veth tun tap macvlan macvtap ipvlan vrf
    vxlan geneve gre ip_gre ip6_gre ipip sit ip6_tunnel ip_vti fou l2tp_eth wireguard macsec netconsole nlmon
    openvswitch vport-vxlan mpls_router mpls_iptunnel sctp tipc rds smc dccp_ipv4 kcm tls
    tcp_bbr tcp_cdg tcp_htcp tcp_vegas tcp_dctcp sch_fq sch_cake sch_htb sch_netem sch_fq_codel sch_ingress
    cls_u32 cls_flower cls_bpf act_mirred act_police act_ct act_bpf em_u32
    inet_diag tcp_diag udp_diag unix_diag netlink_diag packet_diag mptcp_diag pktgen drop_monitor
    af_key esp4 esp6 ah4 xfrm_user xfrm_interface vsock vsock_loopback vmw_vsock_virtio_transport
    ib_core rdma_cm rdma_ucm ib_umad mlx4_core mlx4_en mlx5_core ena gve vmxnet3"""

_NETFILTER = """
    nf_tables nft_ct nft_nat nft_masq nft_chain_nat nft_reject_inet nft_limit nft_log nft_hash nft_numgen nft_redir
    nft_fib_inet nft_quota nft_queue nft_tproxy nft_socket nft_flow_offload nft_compat nf_flow_table_inet
    nf_conntrack nf_conntrack_netlink nf_conntrack_ftp nf_conntrack_sip nf_conntrack_h323 nf_nat_ftp nf_nat_sip
    ip_tables iptable_filter iptable_nat iptable_mangle ip6_tables ip6table_filter arp_tables ebtables
    xt_conntrack xt_MASQUERADE xt_LOG xt_TCPMSS xt_addrtype xt_comment xt_mark xt_multiport xt_state xt_recent
    xt_hashlimit xt_bpf xt_u32 ip_set ip_set_hash_ip ip_set_hash_net xt_set ip_vs ip_vs_rr ip_vs_wlc nfnetlink_log
    nfnetlink_queue nf_synproxy_core"""

_CRYPTO = """
    aesni-intel aegis128-aesni aegis128 sha1-ssse3 sha256-ssse3 sha512-ssse3 chacha-x86_64 poly1305-x86_64
    curve25519-x86_64 nhpoly1305-avx2 nhpoly1305-sse2 ghash-clmulni-intel polyval-clmulni
    crc32c-intel crc32-pclmul crct10dif-pclmul blowfish-x86_64 camellia-x86_64 camellia-aesni-avx-x86_64
    camellia-aesni-avx2 cast5-avx-x86_64 cast6-avx-x86_64 des3_ede-x86_64 serpent-sse2-x86_64 serpent-avx-x86_64
    serpent-avx2 twofish-x86_64 twofish-x86_64-3way twofish-avx-x86_64 aria-aesni-avx-x86_64 sm4-aesni-avx-x86_64
    sm3-avx-x86_64 cryptd pcrypt adiantum xts ctr cbc ecb cts lrw gcm ccm cmac xcbc vmac authenc authencesn essiv
    chacha20poly1305 blake2b_generic sha3_generic streebog_generic rmd160 wp512 md4 lz4 lz4hc zstd 842 lzo lzo-rle
    ecdh_generic ecrdsa_generic drbg jitterentropy_rng ansi_cprng af_alg algif_hash algif_skcipher algif_aead
    algif_rng async_raid6_recov xor raid6_pq libchacha20poly1305 libcurve25519 libpoly1305 libsha3 libblake2b"""

_MACHINE = """
    kvm kvm_amd kvm_intel irqbypass msr cpuid rapl intel_rapl_msr acpi-cpufreq cpufreq_powersave cpufreq_ondemand
    cpufreq_conservative ptp_kvm vfio vfio_pci vhost_net vhost_vsock vhost_scsi hv_vmbus hv_netvsc vmw_vmci
    vmw_balloon xen-netfront xen-blkfront pvpanic qemu_fw_cfg button evdev mousedev serio_raw uhid hid hid-generic
    comedi comedi_test mei ttyprintk nvram edd efi-pstore tpm_vtpm_proxy zsmalloc z3fold ts_kmp ts_bm reed_solomon
    notifier-error-inject parport ppdev lp usbcore usbip-core"""

_GRAPHICS = """
    drm drm_kms_helper ttm gpu-sched virtio-gpu bochs cirrus qxl vmwgfx vboxvideo vgem vkms udl ast mgag200 gma500_gfx
    simpledrm hyperv_drm radeon nouveau i915 amdgpu xe"""

_SOUND = """
    soundcore snd snd-pcm snd-timer snd-seq snd-seq-midi snd-rawmidi snd-hwdep snd-pcm-oss snd-mixer-oss snd-dummy
    snd-aloop snd-virmidi snd-hda-core snd-hda-codec snd-hda-intel snd-hda-codec-hdmi snd-hda-codec-realtek
    snd-hda-codec-generic snd-usb-audio snd-intel8x0 snd-ens1371 snd-emu10k1 snd-ac97-codec snd-soc-core
    snd-soc-rt5640 snd-soc-hdac-hda snd-sof snd-sof-pci-intel-tgl snd-firewire-lib snd-pcsp virtio_snd"""

_USB_INPUT = """
    xhci-hcd xhci-pci ehci-hcd ehci-pci ohci-hcd uhci-hcd usb-storage uas usbhid usbmon cdc-acm cdc-wdm usblp usbtmc
    usbserial ftdi_sio pl2303 cp210x option usbnet cdc_ether cdc_ncm rndis_host r8152 asix libcomposite dummy_hcd
    g_serial g_ether usbip-host vhci-hcd typec ucsi_acpi hid-multitouch hid-logitech-dj hid-sony hid-playstation
    hid-apple wacom i2c-hid psmouse joydev xpad uinput sparse-keymap matrix-keymap"""

_BUSES = """
    i2c-dev i2c-i801 i2c-piix4 i2c-stub i2c-mux i2c-algo-bit i2c-designware-pci spi-bitbang regmap-i2c
    lpc_ich intel-lpss-pci gpio-pca953x pinctrl-mcp23s08 mfd-core iTCO_vendor_support at24 eeprom_93cx6
    firewire-core firewire-ohci thunderbolt pcmcia mmc_core mmc_block sdhci sdhci-pci rtsx_pci memstick
    coretemp k10temp lm75 w83781d nct6775 drivetemp hwmon-vid industrialio iio_dummy tpm_tis_spi ipmi_msghandler
    ipmi_si ipmi_devintf wmi thinkpad_acpi dell-wmi asus-wmi"""

_RADIO_MEDIA = """
    cfg80211 mac80211 mac80211_hwsim iwlwifi iwlmvm ath9k ath10k_pci ath11k_pci rtw88_8822be rtl8192ce mt76 brcmfmac
    rfkill bluetooth btusb hci_uart hci_vhci rfcomm bnep ieee802154 mac802154 can can-raw vcan slcan nfc
    videodev videobuf2-v4l2 uvcvideo vivid gspca_main tuner dvb-core rc-core cec"""

_NICS = """
    e100 e1000 e1000e igb igc ixgbe i40e ice 8139cp 8139too r8169 tg3 bnxt_en bnx2x qede sky2 forcedeth atlantic
    mdio libphy realtek marvell broadcom ppp_generic pppoe ppp_deflate slip atm lapb x25 ax25 netrom appletalk"""

_STORAGE = """
    mpt3sas megaraid_sas aacraid hpsa aic7xxx sym53c8xx qla2xxx lpfc smartpqi isci sata_nv sata_sil pata_via
    libfc fcoe mtip32xx floppy ubi ubifs jffs2 mtd mtdram block2mtd"""

CLOUD = _names(_VIRTIO, _FILESYSTEMS, _BLOCK, _NET, _NETFILTER, _CRYPTO, _MACHINE)
FULL = CLOUD + _names(_GRAPHICS, _SOUND, _USB_INPUT, _BUSES, _RADIO_MEDIA, _NICS, _STORAGE)
