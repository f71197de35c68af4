package object

//go:generate go run ../examples/internal/cc testdata/arena_global.c testdata/custom_section.c testdata/nested_maps.c
//go:generate go run ../examples/internal/cc testdata/numa_node.c testdata/static_map.c testdata/struct_ops.c testdata/typed_ksym.c
//go:generate go run ../examples/internal/cc testdata/weak_callback.c testdata/weak_kconfig.c testdata/weak_map.c
//go:generate go run ../examples/internal/cc testdata/features.c
