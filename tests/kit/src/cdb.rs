//! Writes constant databases with records that no compiler of rules would make.
//!
//! The format is Bernstein's cdb: 256 pairs (position, slots), the records, the hash tables.

/// A database of `records`, in their order; a key may come twice.
pub fn make(records: &[(&[u8], &[u8])]) -> Vec<u8> {
    let mut file = vec![0; 2048];
    let mut tables: Vec<Vec<(u32, u32)>> = vec![Vec::new(); 256];
    for (key, data) in records {
        let hash = key.iter().fold(5381_u32, |hash, byte| {
            (hash << 5).wrapping_add(hash) ^ u32::from(*byte)
        });
        tables[(hash % 256) as usize].push((hash, position(&file)));
        for part in [key, data] {
            file.extend(u32::try_from(part.len()).unwrap().to_le_bytes());
        }
        file.extend(*key);
        file.extend(*data);
    }
    for (number, table) in tables.iter().enumerate() {
        let at = position(&file);
        let mut slots = vec![(0, 0); table.len() * 2];
        for entry in table {
            let mut slot = (entry.0 >> 8) as usize % slots.len();
            while slots[slot].1 != 0 {
                slot = (slot + 1) % slots.len();
            }
            slots[slot] = *entry;
        }
        file[number * 8..][..4].copy_from_slice(&at.to_le_bytes());
        file[number * 8 + 4..][..4]
            .copy_from_slice(&u32::try_from(slots.len()).unwrap().to_le_bytes());
        for (hash, record) in slots {
            file.extend(hash.to_le_bytes());
            file.extend(record.to_le_bytes());
        }
    }
    file
}

fn position(file: &[u8]) -> u32 {
    u32::try_from(file.len()).unwrap()
}
