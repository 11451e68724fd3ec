import type { Knex } from 'knex';

export async function up(db: Knex): Promise<void> {
  await db.raw(`
    -- What an install keeps, counted as it changes: limits are checked at every record that grows it. One row per namespace with records.
    create table extension_storage_usage (
      tenant_id  uuid not null,
      install_id uuid not null,
      namespace  text not null,
      keys       integer not null,
      bytes      bigint not null,
      primary key (tenant_id, install_id, namespace),
      foreign key (tenant_id, install_id) references tenant_extension_install on delete cascade
    );
    -- Nothing is counted twice or missed while this is filled.
    lock table extension_storage_record in share row exclusive mode;
    insert into extension_storage_usage (tenant_id, install_id, namespace, keys, bytes)
      select tenant_id, install_id, namespace, count(*), sum(octet_length(value))
        from extension_storage_record group by 1, 2, 3;

    create function count_storage_inserted() returns trigger language plpgsql as $$
    begin
      insert into extension_storage_usage as u (tenant_id, install_id, namespace, keys, bytes)
        select tenant_id, install_id, namespace, count(*), sum(octet_length(value)) from added group by 1, 2, 3
        on conflict (tenant_id, install_id, namespace)
          do update set keys = u.keys + excluded.keys, bytes = u.bytes + excluded.bytes;
      return null;
    end $$;
    create trigger count_inserted after insert on extension_storage_record
      referencing new table as added for each statement execute function count_storage_inserted();

    create function count_storage_resized() returns trigger language plpgsql as $$
    begin
      update extension_storage_usage set bytes = bytes + octet_length(new.value) - octet_length(old.value)
       where tenant_id = new.tenant_id and install_id = new.install_id and namespace = new.namespace;
      return null;
    end $$;
    create trigger count_resized after update on extension_storage_record for each row
      when (octet_length(old.value) <> octet_length(new.value)) execute function count_storage_resized();

    -- A namespace without records leaves no row: guests name as many as they like over time.
    create function count_storage_deleted() returns trigger language plpgsql as $$
    begin
      update extension_storage_usage u set keys = u.keys - r.keys, bytes = u.bytes - r.bytes
        from (select tenant_id, install_id, namespace, count(*) as keys, sum(octet_length(value)) as bytes
                from removed group by 1, 2, 3) r
       where (u.tenant_id, u.install_id, u.namespace) = (r.tenant_id, r.install_id, r.namespace);
      delete from extension_storage_usage u
       using (select distinct tenant_id, install_id, namespace from removed) r
       where (u.tenant_id, u.install_id, u.namespace) = (r.tenant_id, r.install_id, r.namespace) and u.keys = 0;
      return null;
    end $$;
    create trigger count_deleted after delete on extension_storage_record
      referencing old table as removed for each statement execute function count_storage_deleted();
  `);
}

export async function down(db: Knex): Promise<void> {
  await db.raw(`
    drop trigger count_inserted on extension_storage_record;
    drop trigger count_resized on extension_storage_record;
    drop trigger count_deleted on extension_storage_record;
    drop function count_storage_inserted;
    drop function count_storage_resized;
    drop function count_storage_deleted;
    drop table extension_storage_usage;
  `);
}
